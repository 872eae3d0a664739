"""An explanation behind every number of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from wizard_tui.planning.explain import Explanation
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

COLUMNS = 68


class WhyScreen(ModalScreen[None]):
    """Closed by Escape, Enter or the key that opened it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,ctrl+p", "dismiss", "Close")]

    def __init__(self, explanations: Sequence[Explanation]) -> None:
        super().__init__()
        self._explanations = explanations

    def compose(self) -> ComposeResult:
        """One page, which scrolls."""
        with VerticalScroll(id="dialog"):
            yield LineView(id="why-lines")

    def on_mount(self) -> None:
        """A line and its reason for each number."""
        lines: list[Line] = [(("Where the numbers come from", "accent"),)]
        for one in self._explanations:
            lines.append((("", ""),))
            lines.append(((one.name, "strong"), (f"  {one.value}", "value")))
            lines.extend(wrapped(one.reason, COLUMNS, style="dim", mark=("  ", ""), indent="  "))
        lines.extend([(("", ""),), (("Escape closes this page.", "dim"),)])
        self.query_one("#why-lines", LineView).show(lines)
