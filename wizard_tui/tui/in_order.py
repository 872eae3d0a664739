"""Keys in order: each takes full effect before the next one is looked at, however fast they come.

Textual hands a key to the widget that has the focus, from there to the one around it and so on, each time through a
queue, and looks for the key's binding at the end of that path. Keys that come at once, as they do over a slow line and
from a fast typist, therefore overtake one another: what was meant for the next step is typed into the previous one.
Here a key is carried up the same path at once, and its action is awaited.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TypeVar

from textual._callback import invoke
from textual.app import App
from textual.events import Event, Key, MouseUp, Paste
from textual.screen import Screen
from textual.widget import Widget

Result = TypeVar("Result")
# before the terminal is told otherwise, it turns the Enter key into a line feed
LINE_FEED = "ctrl+j"


class InOrderApp(App[Result]):
    """An app whose keys wait for one another, and for the first screen while that is not ready for them."""

    def __init__(self, **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self._typed: deque[Key | Paste] = deque()
        self._is_typing = False
        self._takes_keys = False

    def take_keys(self) -> None:
        """The first screen is ready: handle the keys typed before, and the rest as they come."""
        self._takes_keys = True
        self.call_later(self._type)

    async def on_event(self, event: Event) -> None:
        """Keep keys and pastes in order; wait until a click has acted; all else as Textual does it."""
        if isinstance(event, (Key, Paste)) and not event.is_forwarded:
            self._typed.append(event)
            await self._type()
            return
        await super().on_event(event)
        if isinstance(event, MouseUp) and (clicked := self._mouse_down_widget) is not None:
            await _done_with(clicked)

    async def _type(self) -> None:
        if self._is_typing or not self._takes_keys:
            return
        self._is_typing = True
        try:
            while self._typed and self.is_running:
                screen = self.screen
                # one that has just been opened has no fields yet
                await _mounted(screen)
                if screen is self.screen:
                    await self._deal_with(self._typed.popleft())
                    # the result that a closed dialog hands back
                    await self._flush_next_callbacks()
        finally:
            self._is_typing = False

    async def _deal_with(self, event: Key | Paste) -> None:
        if not self.app_focus:
            self.app_focus = True
        if isinstance(event, Key):
            if event.key == LINE_FEED:
                event = Key("enter", "\r")
            if await self._check_bindings(event.key, priority=True):
                return
        event._set_forwarded()
        await self._carry_up(event)
        if isinstance(event, Key) and not event._stop_propagation:
            await self._check_bindings(event.key)

    async def _carry_up(self, event: Event) -> None:
        """Show an event to the widget that has the focus and to those around it, until one stops it."""
        for node in (self.focused or self.screen).ancestors_with_self:
            if node is self or event._stop_propagation:
                return
            with node._context():
                for _, handle in node._get_dispatch_methods(event.handler_name, event):
                    await invoke(handle, event)
            # as when an event goes from queue to queue: each widget decides for itself
            event._no_default_action = False


async def _mounted(screen: Screen[object]) -> None:
    """Wait until a screen has its widgets, or is gone."""
    if not screen._mounted_event.is_set():
        await _either(asyncio.ensure_future(screen._mounted_event.wait()), screen)


async def _done_with(widget: Widget) -> None:
    """Wait until a widget has handled its pending messages, or is gone."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    if widget.is_running and widget.call_later(_set, done):
        await _either(done, widget)


def _set(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


async def _either(wanted: asyncio.Future[object] | asyncio.Future[None], widget: Widget) -> None:
    ends = {wanted, widget._task} if widget._task is not None else {wanted}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
