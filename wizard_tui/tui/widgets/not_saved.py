"""The lines over everything else, shown while nothing can be saved."""

from __future__ import annotations

from textual.events import Resize
from textual.screen import Screen

from wizard_tui.tui.widgets.line_view import LineView, wrapped


class NotSaved(LineView):
    """Why a session is not on disk, and what would help."""

    DEFAULT_CSS = "NotSaved { dock: top; height: auto; width: 100%; padding: 0 1; background: $surface; }"

    def __init__(self) -> None:
        super().__init__(id="not-saved")
        self._why = ""

    def show_why(self, why: str) -> None:
        """Show the reason; nothing is shown for an empty text."""
        self._why = why
        self.display = bool(why)
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """The sentence is wrapped for the room that it has."""
        self._draw()

    def _draw(self) -> None:
        said = f"Not saved: {self._why}. What you type is kept only while this window is open; trying again."
        self.show(wrapped(said, self.app.size.width - 2, style="bad"))


def show_not_saved(screen: Screen[None], why: str) -> None:
    """Show on a screen why the session is not saved; an empty text removes it."""
    line = screen.query_one_optional(NotSaved)
    if line is None and why:
        line = NotSaved()
        screen.mount(line)
    if line is not None:
        line.show_why(why)
