"""A field that cycles through a few words: left and right, space, or a click."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.events import Click
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from wizard_tui.tui.fields import AUTO


class Choice(Widget, can_focus=True):
    """One row: `< word >`. The empty word stands for a value the planner chooses and is shown as auto."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "turn(-1)", "previous word", show=False),
        Binding("right,space", "turn(1)", "next word", show=False),
    ]

    DEFAULT_CSS = """
    Choice { height: 1; width: 1fr; }
    """

    value: reactive[str] = reactive("", init=False)
    settled: reactive[str] = reactive("", init=False)

    def __init__(
        self,
        words: tuple[str, ...],
        value: str,
        *,
        id: str | None = None,  # noqa: A002
        on_edit: Callable[[str], None] | None = None,
    ) -> None:
        """`on_edit` gets every word that is chosen."""
        super().__init__(id=id)
        self.words = words
        self._on_edit = on_edit
        self.set_reactive(Choice.value, value)

    def show_settled(self, text: str) -> None:
        """Show what the plan makes of `auto`; empty text before there is a plan."""
        self.settled = text

    def put(self, word: str) -> None:
        """Show another word, which nobody chose here."""
        self.value = word

    def action_turn(self, step: int) -> None:
        """Go to the next or previous word, round and round."""
        at = self.words.index(self.value) if self.value in self.words else 0
        self.value = self.words[(at + step) % len(self.words)]
        if self._on_edit is not None:
            self._on_edit(self.value)

    def on_click(self, event: Click) -> None:
        """The left half goes back, the right half goes on."""
        self.action_turn(-1 if event.x < self.size.width // 2 and event.x < 2 else 1)

    def render_line(self, y: int) -> Strip:
        """The word between its arrows."""
        style = self.rich_style
        segments = [Segment(f"‹ {self.value or AUTO} ›", style)]
        if self.settled not in ("", AUTO) and self.value in ("", AUTO):
            faint = Color.parse(self.app.theme_variables["dim"]).rich_color
            segments.append(Segment(f" {self.settled}", style + Style(color=faint)))
        return Strip(segments).adjust_cell_length(self.size.width, style)
