"""An app under Textual's pilot that waits for the event loop, not for the processor.

Textual takes an app for idle when the process has used little processor time for a moment. On a busy machine that is so
whenever another process has its turn. Its event loop knows what an app still has to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from textual.pilot import Pilot

SOON_S = 0.06
"""Timers due within this time belong to work under way: a repaint, a change of screens, which takes 0.05 s. The
sign that something is loading, which Textual's palette has also where nobody sees it, moves every 0.0625 s."""
MOST_TIMERS = 50
"""After this many, whatever still goes on is taken to move for ever."""


@contextmanager
def driven_exactly() -> Iterator[None]:
    """Pilots made by `App.run_test` go on when the app is idle."""
    with mock.patch("textual.pilot.wait_for_idle", idle), mock.patch("textual.app.wait_for_idle", idle):
        yield


async def idle(*_: float) -> None:
    """Return when the event loop has nothing to run and no timer that is due soon."""
    loop: Any = asyncio.get_running_loop()
    for _timer in range(MOST_TIMERS):
        await asyncio.sleep(0)
        while loop._ready:
            await asyncio.sleep(0)
        due = [handle.when() for handle in loop._scheduled if not handle.cancelled()]
        wait_s = min(due, default=float("inf")) - loop.time()
        if wait_s > SOON_S:
            return
        await asyncio.sleep(wait_s)


async def settled(pilot: Pilot[str], *, but: str = "") -> None:
    """Wait until no worker runs and nothing is left to do; workers of the group `but` run on."""
    await pilot.pause()
    while workers := [worker for worker in pilot.app.workers if worker.group != but]:
        await pilot.app.workers.wait_for_complete(workers)
        await pilot.pause()
