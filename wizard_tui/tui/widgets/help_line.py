"""Beneath the body: what the field in focus is for, or what is wrong with it, or what an action has just done."""

from __future__ import annotations

from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.sizes import HELP_ROWS
from wizard_tui.tui.widgets.line_view import LineView, wrapped


class HelpLine(LineView):
    """Always as high, so that nothing moves when a field turns wrong."""

    def __init__(self, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self._of: tuple[str, str | None] = ("", None)

    def say(self, sentence: str) -> None:
        """Say what has just been done; it stays until another field is entered, or this one turns wrong or right."""
        self._draw(sentence, "dim")

    def show_field(self, path: str, problem: str | None) -> None:
        """A field is entered."""
        self._of = (path, problem)
        if problem is None:
            self._draw(all_fields()[path].help, "dim")
        else:
            self._draw(f"! {all_fields()[path].label.strip()}: {problem}", "bad")

    def follow(self, path: str, problem: str | None) -> None:
        """The field in focus may have turned wrong or right."""
        if self._of != (path, problem):
            self.show_field(path, problem)

    def _draw(self, text: str, style: str) -> None:
        self.show(wrapped(text, self.app.size.width - 2, style=style, rows=HELP_ROWS))
