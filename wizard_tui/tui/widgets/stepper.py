"""The line of steps on top: where you are, and which steps have errors."""

from __future__ import annotations

from collections.abc import Sequence

from textual.events import Click
from textual.message import Message

from wizard_tui.tui.widgets.line_view import LineView, Span


class Stepper(LineView):
    """`1 Welcome · 2 Model ...`; a click goes there."""

    class Chosen(Message):
        """A step was clicked."""

        def __init__(self, step: str) -> None:
            super().__init__()
            self.step = step

    def __init__(self, steps: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._steps = list(steps)
        self._ends: list[tuple[int, str]] = []

    def show_steps(self, current: str, broken: set[str]) -> None:
        """Draw; a step with errors carries an exclamation mark as well as a colour."""
        spans: list[Span] = []
        self._ends = []
        at = 0
        for number, (step, title) in enumerate(self._steps, 1):
            mark = "!" if step in broken else " "
            text = f"[{number} {title}{mark.strip()}]" if step == current else f" {number} {title}{mark}"
            style = "bad" if step in broken else "strong" if step == current else "dim"
            spans.append((text, style))
            at += len(text)
            self._ends.append((at, step))
        self.show([tuple(spans)])

    def on_click(self, event: Click) -> None:
        """Go to the step under the pointer."""
        for end, step in self._ends:
            if event.x < end:
                self.post_message(self.Chosen(step))
                return
