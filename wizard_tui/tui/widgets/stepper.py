"""The line of steps on top: where you are, which steps you have seen, and which have errors."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from textual.events import Resize

from wizard_tui.tui.widgets.line_view import Click, LineView, Span


class Stepper(LineView):
    """`[1 Welcome] 2 Model ...`; a click goes there."""

    def __init__(self, steps: Sequence[tuple[str, str]], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._steps = list(steps)
        self._current = steps[0][0]
        self._broken: Collection[str] = ()
        self._seen: set[str] = set()

    def show_steps(self, current: str, broken: Collection[str]) -> None:
        """Draw; a step with errors carries an exclamation mark as well as a colour."""
        self._current, self._broken = current, broken
        self._seen.add(current)
        self._draw(self.size.width)

    def on_resize(self, event: Resize) -> None:
        """Draw for the width that there is."""
        self._draw(event.size.width)

    def _draw(self, columns: int) -> None:
        spans, clicks = self._laid_out(short=False)
        if clicks[-1][0] > columns:
            spans, clicks = self._laid_out(short=True)
        self.show([tuple(spans)], {0: clicks})

    def _laid_out(self, *, short: bool) -> tuple[list[Span], list[Click]]:
        """`short`: the names of the other steps are left out."""
        spans: list[Span] = []
        clicks: list[Click] = []
        at = 0
        for number, (step, title) in enumerate(self._steps, 1):
            name = str(number) if short and step != self._current else f"{number} {title}"
            broken = step in self._broken
            # the same width with or without errors, so that the steps behind it stay in place
            begin, end = ("[", "]") if step == self._current else (" ", " ")
            text = f"{'!' if broken else begin}{name}{end}"
            style = "bad" if broken else "strong" if step == self._current else self._style_of(step)
            spans.append((text, style))
            at += len(text)
            clicks.append((at, f"screen.go('{step}')"))
        return spans, clicks

    def _style_of(self, step: str) -> str:
        return "value" if step in self._seen else "dim"
