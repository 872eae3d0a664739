"""Questions to a server: health, metrics, answers, load; and servers that answer badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from wizard_tui.launch import ways
from wizard_tui.launch.client import AnswerError, Asker, Client, LoadPoint, api_key, cache_figures, load_run, smoke_test
from wizard_tui.launch.record import Record
from wizard_tui.launch.verify import compare_speed

Reply = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """A server on loopback that answers every POST by `reply`, and names its model."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            send(self, 200, json.dumps({"data": [{"id": "m"}]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply(self, {**body, "authorization": self.headers.get("Authorization"), "path": self.path})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, text: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(text.encode())))
    handler.end_headers()
    handler.wfile.write(text.encode())


def stream(handler: BaseHTTPRequestHandler, *events: object, done: bool = True) -> None:
    text = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    send(handler, 200, text + ("data: [DONE]\n\n" if done else ""))


def words(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
    pieces = [{"choices": [{"delta": {"content": f"w{n}"}}]} for n in range(3)]
    stream(handler, *pieces, {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": 3}})


def ask(url: str, key: str | None = None) -> Any:
    async def once() -> Any:
        async with Asker(url, key) as asker:
            return await asker.chat(await asker.model(), "hello", 8)

    return asyncio.run(once())


def test_an_answer_is_timed_and_counted() -> None:
    with serving(words) as url:
        answer = ask(url)
    assert (answer.text, answer.tokens, answer.prompt_tokens) == ("w0w1w2", 3, 4)
    assert 0 < answer.ttft_ms <= answer.total_ms
    assert answer.tpot_ms == pytest.approx((answer.total_ms - answer.ttft_ms) / 2)


def test_an_answer_that_is_not_streamed_comes_all_at_once() -> None:
    """As users of such a server feel it: the first word comes with the last."""
    asked: list[dict[str, Any]] = []

    def whole(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        asked.append(body)
        usage = {"prompt_tokens": 4, "completion_tokens": 3}
        send(handler, 200, json.dumps({"choices": [{"message": {"content": "w0w1w2"}}], "usage": usage}))

    async def once(url: str) -> Any:
        async with Asker(url) as asker:
            return await smoke_test(asker, streaming=False)

    with serving(whole) as url:
        answer = asyncio.run(once(url))
    assert (answer.text, answer.tokens, answer.prompt_tokens) == ("w0w1w2", 3, 4)
    assert answer.ttft_ms == answer.total_ms > 0
    assert [body["stream"] for body in asked] == [False, False]


@pytest.mark.parametrize(
    ("reply", "said"),
    [("{half", "without a token"), ("[1]", "without a token"), ('{"error": "engine died"}', "engine died")],
)
def test_a_bad_answer_that_is_not_streamed_is_one_sentence(reply: str, said: str) -> None:
    async def once(url: str) -> Any:
        async with Asker(url) as asker:
            return await asker.chat("m", "hello", 8, streaming=False)

    with serving(lambda h, a: send(h, 200, reply)) as url, pytest.raises(AnswerError, match=said):
        asyncio.run(once(url))


def test_the_key_goes_with_each_request() -> None:
    seen: list[str | None] = []

    def note(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        seen.append(asked["authorization"])
        words(handler, asked)

    with serving(note) as url:
        ask(url, "sk-1")
        ask(url)
    assert seen == ["Bearer sk-1", None]


@pytest.mark.parametrize(
    ("owns", "said"),
    [
        (True, None),
        (False, "no API key sent: port 8000 is not this server's; end what listens there"),
        (None, "no API key sent: it is not known here whose port 8000 is; ask the server yourself"),
    ],
)
def test_the_key_is_read_only_when_the_port_is_the_servers(
    monkeypatch: pytest.MonkeyPatch, owns: bool | None, said: str | None
) -> None:
    record = Record("vllm-a", "process", "4194304:1", "/log", "http://127.0.0.1:8000", 1.0, {})
    monkeypatch.setattr(ways, "owns_port", lambda record: owns)
    assert api_key(record) is None, "this server has none"
    with_key = replace(record, api_key_env="MY_KEY")
    assert api_key(with_key) is None, "this environment has none"
    monkeypatch.setenv("MY_KEY", "sk-1")
    if said is None:
        assert api_key(with_key) == "sk-1"
    else:
        with pytest.raises(AnswerError, match=said):
            api_key(with_key)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (lambda h, a: send(h, 401, '{"error": {"message": "Unauthorized"}}'), "401: Unauthorized"),
        (lambda h, a: send(h, 500, "oops"), "500: oops"),
        (lambda h, a: stream(h), "without a token"),
        (lambda h, a: stream(h, {"error": {"message": "engine died"}}), "engine died"),
        (lambda h, a: send(h, 200, "data: {half\n\ndata: [1]\n\n"), "without a token"),
        (lambda h, a: h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ndata: "), "broke off"),
    ],
)
def test_a_bad_answer_is_one_sentence(reply: Reply, said: str) -> None:
    with serving(reply) as url, pytest.raises(AnswerError, match=said):
        ask(url)


def test_without_a_chat_template_the_words_are_completed() -> None:
    def only_completions(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        if "chat" in asked["path"]:
            send(handler, 400, '{"error": {"message": "default chat template is no longer allowed"}}')
        else:
            stream(handler, {"choices": [{"text": f"after {asked['prompt']}"}]})

    async def once(url: str) -> str:
        async with Asker(url) as asker:
            return (await asker.first("m", "hello", 8)).text

    with serving(only_completions) as url:
        assert asyncio.run(once(url)) == "after hello"


def test_a_load_run_asks_for_exactly_what_is_planned() -> None:
    asked: list[dict[str, Any]] = []

    def note(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        asked.append(body)
        stream(handler, {"choices": [{"text": "x"}]}, {"choices": [{"text": "y"}]},
               {"choices": [], "usage": {"completion_tokens": 20, "prompt_tokens": 30}})  # fmt: skip

    points: list[LoadPoint] = []

    async def run(url: str) -> Any:
        async with Asker(url) as asker:
            return await load_run(
                asker, concurrency=3, prompt_tokens=30, gen_tokens=20, requests=7, on_point=points.append
            )

    with serving(note) as url:
        result = asyncio.run(run(url))
    assert len(asked) == result.requests == 7
    assert {len(body["prompt"]) for body in asked} == {30}
    assert {(body["max_tokens"], body["min_tokens"], body["ignore_eos"]) for body in asked} == {(20, 20, True)}
    assert len({tuple(body["prompt"]) for body in asked}) == 7
    assert result.toks_per_s > 0


def test_a_load_run_ends_with_the_first_failure() -> None:
    async def run(url: str) -> None:
        async with Asker(url) as asker:
            await load_run(asker, concurrency=2, prompt_tokens=3, gen_tokens=2, requests=50)

    with serving(lambda h, a: send(h, 503, "busy")) as url, pytest.raises(AnswerError, match="503"):
        asyncio.run(run(url))


def test_measured_and_predicted_stand_side_by_side() -> None:
    from tests.launch.conftest import planned
    from wizard_tui.launch.client import LoadResult

    predicted = planned(1)[0].performance
    low, high = predicted.tpot_ms_range
    result = LoadResult(1, 512, 256, 8, toks_per_s=1.0, ttft_ms=1e6, tpot_ms=(low + high) / 2)
    rate, ttft, tpot = compare_speed(result, predicted)
    assert (rate.inside, ttft.inside, tpot.inside) == (False, False, True)
    assert (tpot.low, tpot.high) == (low, high)


def test_where_no_server_listens_there_is_no_answer() -> None:
    client = Client("http://127.0.0.1:9")
    assert not client.is_healthy()
    assert client.cache_figures() == {}
    client.close()
    with pytest.raises(AnswerError, match="does not name its model"):
        ask("http://127.0.0.1:9")


# as vLLM 0.32 prints it, shortened
METRICS = (
    "# TYPE vllm:cache_config_info gauge\n"
    'vllm:cache_config_info{block_size="128",cache_dtype="auto",engine="0",kv_cache_max_concurrency="2048.0",'
    'kv_cache_size_tokens="2097152",num_gpu_blocks="16384",num_cpu_blocks="None",note="a \\"quoted\\" word"} 1.0\n'
)


def test_the_cache_is_read_from_the_metrics() -> None:
    figures = {"block_size": 128, "max_concurrency": 2048.0, "kv_cache_tokens": 2097152, "num_gpu_blocks": 16384}
    assert cache_figures(METRICS) == figures
    assert cache_figures('vllm:cache_config_info{num_gpu_blocks="None"} 1.0\n') == {}
    assert cache_figures("vllm:other{} 1\n") == {}


@pytest.mark.parametrize("stated", ["nan", "inf", "1e999", "1e17", "9" * 17, "9" * 5000])
def test_a_number_too_large_for_a_server_is_left_out(stated: str) -> None:
    """The limit is 2^53, as for figures of a log."""
    labels = f'block_size="16",kv_cache_max_concurrency="{stated}",kv_cache_size_tokens="{stated}"'
    assert cache_figures(f"vllm:cache_config_info{{{labels}}} 1.0\n") == {"block_size": 16}
