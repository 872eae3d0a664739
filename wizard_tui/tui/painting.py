"""One picture where Textual would send several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from textual.app import App
from textual.screen import Screen, ScreenResultType


@contextmanager
def painted_once(app: App[Any]) -> Iterator[None]:
    """Changes made within, and the layout they cause, reach the terminal as one picture and not as four."""
    batch = ExitStack()
    batch.enter_context(app.batch_update())
    try:
        yield
    finally:
        # batched on the app, which outlives every screen: an unfinished batch would freeze the picture
        app.call_later(app.call_later, batch.close)


def push(
    app: App[Any], page: Screen[ScreenResultType], closed: Callable[[ScreenResultType | None], None] | None = None
) -> None:
    """Put a page over the wizard, unless one of its kind is on top already."""
    if isinstance(app.screen, type(page)):
        return
    with painted_once(app):
        # Textual holds further keys until the page is there and something on it has the focus
        app.push_screen(page, closed)
