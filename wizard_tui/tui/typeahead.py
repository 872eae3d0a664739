"""Keys that come all at once, as over a slow line, act in the order in which they came."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from textual.binding import Binding
from textual.message_pump import MessagePump

# a field that has died never answers, and must not stop the keys for ever
LIMIT_S = 2.0


async def caught_up(pump: MessagePump | None) -> None:
    """Wait until a widget has dealt with what was sent to it before.

    Keys that act are run by the application, one after the other, while the letters before them are still on their way
    to the field: an action that looks at what was typed waits here.
    """
    done = asyncio.Event()
    if pump is not None and pump.call_later(done.set):
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(done.wait(), LIMIT_S)


def acting(keys: str, action: str, name: str) -> tuple[Binding, Binding]:
    """Keys of a dialog that act before any key behind them is looked at; also one that was on its way when the dialog
    opened."""
    at_once, under_way = (Binding(keys, action, name, show=False, priority=first) for first in (True, False))
    return at_once, under_way
