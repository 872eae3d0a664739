"""The screen all ours derive from: moving the focus repaints two widgets instead of everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from textual.app import App
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget


class QuietScreen(Screen[None]):
    """Textual's own `focused` repaints the whole screen on every Tab: 12 kB instead of 2 at 120x36."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)


class QuietModal(ModalScreen[ScreenResultType]):
    """A page or a dialog that goes as it came: without painting twice what is beneath it."""

    async def action_dismiss(self, result: ScreenResultType | None = None) -> None:
        """Close."""
        with painted_once(self.app):
            await super().action_dismiss(result)


@contextmanager
def painted_once(app: App[Any]) -> Iterator[None]:
    """What is done within, and the layout that follows from it, reaches the terminal as one picture and not as four."""
    batch = ExitStack()
    batch.enter_context(app.batch_update())
    try:
        yield
    finally:
        # the app outlives every screen: a batch that nobody ends would freeze the picture
        app.call_later(app.call_later, batch.close)


def push(
    app: App[Any], page: Screen[ScreenResultType], closed: Callable[[ScreenResultType | None], None] | None = None
) -> None:
    """Put a page over the wizard."""
    with painted_once(app):
        app.push_screen(page, closed)
