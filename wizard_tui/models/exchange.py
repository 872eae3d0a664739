"""One exchange with the Hub within bounds: on bytes, and on time from the look-up of its name to the last byte.

A limit on pauses does not bound the total time: a server can send a byte now and then for ever, in the status line as
well as in the body. So exchanges are tasks of one event loop, where a late task is ended wherever it is, and its
connection with it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

MOST_REDIRECTS = 10
REDIRECT_BYTES = 1 << 16
Result = TypeVar("Result")
_ONE_AT_A_TIME = threading.Lock()


class Reply(NamedTuple):
    """What came: at most as many bytes as were asked for. The body of a refusal is not read; it may have any length.

    `answer` is the HTTP library's own object, whose body is closed.
    """

    answer: Any
    data: bytes = b""


def get(
    url: str,
    headers: Callable[[], Mapping[str, str]],
    *,
    params: Mapping[str, str] | None = None,
    limit_bytes: int,
    pause_s: float,
    whole_s: float,
) -> Reply:
    """Get at most `limit_bytes` of `url`. Raises TimeoutError after `whole_s` seconds, else what the client raises.

    `headers` makes the request's headers, within the same time. A pause of `pause_s` ends the exchange earlier.
    """
    running = asyncio.run_coroutine_threadsafe(
        _in_time(_exchange(url, headers, params, limit_bytes, pause_s), whole_s), _loop()
    )
    try:
        return running.result()
    finally:
        running.cancel()


async def _in_time(exchange: Coroutine[Any, Any, Reply], seconds: float) -> Reply:
    try:
        return await asyncio.wait_for(exchange, seconds)
    except asyncio.TimeoutError:
        # a class different from TimeoutError before Python 3.11
        raise TimeoutError from None


async def _exchange(
    url: str,
    headers: Callable[[], Mapping[str, str]],
    params: Mapping[str, str] | None,
    limit_bytes: int,
    pause_s: float,
) -> Reply:
    client = _client()
    wanted = client.build_request("GET", url, headers=dict(await _apart(headers)), params=params, timeout=pause_s)
    for _ in range(MOST_REDIRECTS + 1):
        # by hand, as the client reads the body of a redirect whatever its length
        answer = await client.send(wanted, stream=True, follow_redirects=False)
        try:
            if answer.next_request is None:
                return Reply(answer, await _begin_of(answer, limit_bytes) if answer.is_success else b"")
            # a connection whose answer was read to its end can be used again
            await _begin_of(answer, REDIRECT_BYTES)
        finally:
            await answer.aclose()
        wanted = answer.next_request
    raise ConnectionError("the address leads from one to the next without end")


async def _begin_of(answer: Any, limit_bytes: int) -> bytes:
    data = bytearray()
    async for piece in answer.aiter_bytes():
        data += piece
        if len(data) >= limit_bytes:
            break
    return bytes(data[:limit_bytes])


async def _apart(work: Callable[[], Result]) -> Result:
    """The result of `work`, run in a thread that nothing waits for after its time is up, not even the program's end."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def tell(report: Callable[[Any], None], what: object) -> None:
        if not done.done():
            report(what)

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            loop.call_soon_threadsafe(tell, done.set_exception, error)
        else:
            loop.call_soon_threadsafe(tell, done.set_result, result)

    threading.Thread(target=run, daemon=True, name="hub-token").start()
    return await done


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of all exchanges; it is idle while there is none."""
    with _ONE_AT_A_TIME:
        return _started_loop()


@lru_cache(maxsize=1)
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="hub").start()
    return loop


@lru_cache(maxsize=1)
def _client() -> Any:
    """The Hub's own client, with its connections; to be used only on the loop."""
    from huggingface_hub import get_async_session

    return get_async_session()
