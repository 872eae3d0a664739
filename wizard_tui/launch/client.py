"""Asks a running server over HTTP: whether it is ready, how large its cache is, how fast it answers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

from wizard_tui.errors import Refusal
from wizard_tui.launch import ways
from wizard_tui.launch.record import Record
from wizard_tui.launch.startup_log import figure

HEALTH_S = 1.0
ANSWER_S = 600.0
GREETING = "Say hello in one sentence."
GREETING_TOKENS = 48
LONGEST_METRICS = 4 << 20
# gauges whose labels are the cache's configuration (v1/metrics/loggers.py)
_CACHE_INFO = re.compile(r"^vllm:cache_config_info\{(.*)\} ", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_FIGURES: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "num_gpu_blocks": ("num_gpu_blocks", int),
    "kv_cache_size_tokens": ("kv_cache_tokens", int),
    "kv_cache_max_concurrency": ("max_concurrency", float),
    "block_size": ("block_size", int),
}
# token ids that every vocabulary has, without the special ones at its start
_LOWEST_ID, _HIGHEST_ID = 100, 250


class AnswerError(Refusal):
    """A server does not answer as an OpenAI server does; its text is one plain sentence."""


@dataclass(frozen=True)
class Answer:
    """One answer: when its first and its last token came (ms after the request), and how many there were. An answer
    that is not streamed comes all at once."""

    text: str
    prompt_tokens: int
    tokens: int
    ttft_ms: float
    total_ms: float

    @property
    def tpot_ms(self) -> float:
        """Milliseconds for each token after the first."""
        return (self.total_ms - self.ttft_ms) / max(1, self.tokens - 1)


class Client:
    """Short questions to one server; nothing is raised, as no answer is an answer too."""

    def __init__(self, base_url: str) -> None:
        # a proxy for the Hub is not one for this machine
        self._http = httpx.Client(base_url=base_url, timeout=HEALTH_S, trust_env=False)

    def is_healthy(self) -> bool:
        """Whether the server says that it is serving."""
        with suppress(httpx.HTTPError, OSError):
            return bool(self._http.get("/health").status_code == httpx.codes.OK)
        return False

    def cache_figures(self) -> dict[str, float]:
        """`num_gpu_blocks`, `kv_cache_tokens`, `max_concurrency` and `block_size`, as far as the server states them."""
        with suppress(httpx.HTTPError, OSError):
            answer = self._http.get("/metrics", timeout=5 * HEALTH_S)
            if answer.status_code == httpx.codes.OK and len(answer.content) <= LONGEST_METRICS:
                return cache_figures(answer.text)
        return {}

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


def cache_figures(metrics: str) -> dict[str, float]:
    """The figures in the labels of `vllm:cache_config_info`, those of the first engine where there are several.

    A value that is not a number, or larger than a server can mean, is left out.
    """
    found: dict[str, float] = {}
    for labels in _CACHE_INFO.findall(metrics)[:1]:
        stated = dict(_LABEL.findall(labels))
        for label, (name, kind) in _FIGURES.items():
            with suppress(KeyError, ValueError):
                if (value := figure(kind(stated[label]))) is not None:
                    found[name] = value
    return found


def api_key(record: Record) -> str | None:
    """The API key of a server, read only once the program that answers on the port is shown to be that server.

    None where the server has no key, or this program has none to send. Slow. Raises AnswerError.
    """
    key = os.environ.get(record.api_key_env) if record.api_key_env else None
    if not key or (ours := ways.owns_port(record)):
        return key
    port = record.base_url.rpartition(":")[2]
    if ours is None:
        raise AnswerError(f"no API key sent: it is not known here whose port {port} is; ask the server yourself")
    raise AnswerError(f"no API key sent: port {port} is not this server's; end what listens there")


class Asker:
    """Real requests to one server, with its `key` as `api_key` gives it. Each raises AnswerError where the server does
    not answer as it should."""

    def __init__(self, base_url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=ANSWER_S, trust_env=False)

    async def __aenter__(self) -> Asker:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._http.aclose()

    async def model(self) -> str:
        """The name under which the server serves its model."""
        try:
            answer = await self._http.get("/v1/models")
            return str(answer.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            raise AnswerError(
                "the server does not name its model at /v1/models; is the API key the right one?"
            ) from None

    async def chat(self, model: str, words: str, tokens: int, *, streaming: bool = True) -> Answer:
        """One chat message, as a client would send it; the answer is at most `tokens` long."""
        body = {"messages": [{"role": "user", "content": words}], "max_tokens": tokens}
        return await self._ask("/v1/chat/completions", model, body, streaming=streaming)

    async def first(self, model: str, words: str, tokens: int, *, streaming: bool = True) -> Answer:
        """`chat`; where the model has no chat template, the words as the start of a text."""
        try:
            return await self.chat(model, words, tokens, streaming=streaming)
        except AnswerError as error:
            if "template" not in str(error):
                raise
            body = {"prompt": words, "max_tokens": tokens}
            return await self._ask("/v1/completions", model, body, streaming=streaming)

    async def complete(self, model: str, prompt_tokens: int, tokens: int) -> Answer:
        """A prompt of exactly that many random tokens, which no cache holds, and an answer of exactly that many."""
        prompt = [random.randint(_LOWEST_ID, _HIGHEST_ID) for _ in range(prompt_tokens)]  # noqa: S311
        body = {"prompt": prompt, "max_tokens": tokens, "min_tokens": tokens, "ignore_eos": True}
        return await self._ask("/v1/completions", model, body, streaming=True)

    async def _ask(self, path: str, model: str, body: Mapping[str, Any], *, streaming: bool) -> Answer:
        how = {"stream": True, "stream_options": {"include_usage": True}} if streaming else {"stream": False}
        asked = {**body, "model": model, **how}
        begun = time.perf_counter()
        first = last = None
        pieces: list[str] = []
        usage: Mapping[str, Any] = {}
        try:
            async with self._http.stream("POST", path, json=asked) as answer:
                if answer.status_code != httpx.codes.OK:
                    await answer.aread()
                    raise AnswerError(f"the server answers {answer.status_code}: {_reason(answer)}")
                async for event in _events(answer) if streaming else _whole(answer):
                    usage = event.get("usage") or usage
                    if (text := _text(event)) is not None:
                        last = time.perf_counter()
                        first = first or last
                        pieces.append(text)
        except httpx.HTTPError as error:
            raise AnswerError(f"the server broke off its answer ({type(error).__name__})") from None
        if first is None or last is None:
            raise AnswerError("the server sent an answer without a token")
        counted = usage.get("completion_tokens")
        return Answer(
            text="".join(pieces),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            tokens=int(counted or len(pieces)),
            ttft_ms=1000 * (first - begun),
            total_ms=1000 * (last - begun),
        )


async def smoke_test(asker: Asker, *, streaming: bool = True) -> Answer:
    """One real request, as users will send it, and its answer. Raises AnswerError.

    A request for a single token comes before it: the very first request also pays for what a server does once.
    """
    model = await asker.model()
    await asker.first(model, GREETING, 1, streaming=streaming)
    return await asker.first(model, GREETING, GREETING_TOKENS, streaming=streaming)


@dataclass(frozen=True)
class LoadPoint:
    """What a load run has shown so far: seconds, requests done, and tokens a second over the last second."""

    seconds: float
    done: int
    toks_per_s: float


@dataclass(frozen=True)
class LoadResult:
    """A load run: clients in a closed loop. Means over the answers, the rate over the time in which all clients ran."""

    concurrency: int
    prompt_tokens: int
    gen_tokens: int
    requests: int
    toks_per_s: float
    ttft_ms: float
    tpot_ms: float


async def load_run(
    asker: Asker,
    *,
    concurrency: int,
    prompt_tokens: int,
    gen_tokens: int,
    requests: int,
    on_point: Callable[[LoadPoint], None] | None = None,
) -> LoadResult:
    """Keep `concurrency` requests in flight until `requests` are done. Raises AnswerError with the first that fails."""
    model = await asker.model()
    answers: list[tuple[float, Answer]] = []
    begun = time.perf_counter()
    waiting = iter(range(requests))

    async def client() -> None:
        for _ in waiting:
            answer = await asker.complete(model, prompt_tokens, gen_tokens)
            answers.append((time.perf_counter() - begun, answer))

    async def tell() -> None:
        while on_point is not None:
            await asyncio.sleep(1)
            now = time.perf_counter() - begun
            recent = sum(answer.tokens for at, answer in answers if at > now - 5)
            on_point(LoadPoint(now, len(answers), recent / min(5.0, now)))

    teller = asyncio.create_task(tell())
    clients = [asyncio.create_task(client()) for _ in range(min(concurrency, requests))]
    try:
        await asyncio.gather(*clients)
    finally:
        for task in (teller, *clients):
            task.cancel()
    took = time.perf_counter() - begun
    count = len(answers)
    return LoadResult(
        concurrency=concurrency,
        prompt_tokens=prompt_tokens,
        gen_tokens=gen_tokens,
        requests=count,
        toks_per_s=sum(answer.tokens for _, answer in answers) / took,
        ttft_ms=sum(answer.ttft_ms for _, answer in answers) / count,
        tpot_ms=sum(answer.tpot_ms for _, answer in answers) / count,
    )


async def _events(answer: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    """The data of a stream of server-sent events that is JSON."""
    async for line in answer.aiter_lines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            try:
                event = json.loads(data)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield _without_error(event)


async def _whole(answer: httpx.Response) -> AsyncIterator[Mapping[str, Any]]:
    """An answer that is not streamed, as one event; nothing where it is not JSON."""
    await answer.aread()
    try:
        event = answer.json()
    except ValueError:
        return
    if isinstance(event, dict):
        yield _without_error(event)


def _without_error(event: Mapping[str, Any]) -> Mapping[str, Any]:
    if "error" in event:
        raise AnswerError(f"the server reports an error: {_message(event['error'])}")
    return event


def _text(event: Mapping[str, Any]) -> str | None:
    """The piece of text in an event of either API; None where there is none."""
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or choice.get("message") or choice
        for name in ("text", "content", "reasoning_content", "reasoning"):
            if isinstance(delta.get(name), str) and delta[name]:
                return str(delta[name])
    return None


def _reason(answer: httpx.Response) -> str:
    with suppress(ValueError, AttributeError):
        return _message(answer.json().get("error") or answer.json())
    return str(answer.text)[:200]


def _message(error: object) -> str:
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
