"""All keys, read from the bindings themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from wizard_tui.tui.widgets.line_view import Line, LineView

# what Textual and its widgets bind by themselves
FURTHER = (
    ("tab, shift+tab", "next and previous field"),
    ("left, right, space", "change a field that shows ‹ word ›, or the tab of the preview"),
    ("ctrl+k", "command palette: every action by its name"),
    ("shift + mouse", "select text with your terminal's own selection"),
)


class HelpScreen(ModalScreen[None]):
    """Closed by Escape, F1 or Enter."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,enter", "dismiss", "Close")]

    def __init__(self, bindings: Sequence[BindingType]) -> None:
        super().__init__()
        self._keys = [
            (", ".join(binding.key.split(",")), binding.tooltip or binding.description)
            for binding in bindings
            if isinstance(binding, Binding) and not binding.system
        ]

    def compose(self) -> ComposeResult:
        """One page of keys."""
        with VerticalScroll(id="dialog"):
            yield LineView(id="help-lines")

    def on_mount(self) -> None:
        """List what is bound."""
        lines: list[Line] = [(("Keys", "accent"),), (("", ""),)]
        lines.extend(((f"  {key:<20}", "key"), (what, "")) for key, what in (*self._keys, *FURTHER))
        lines.extend([(("", ""),), (("Escape closes this page.", "dim"),)])
        self.query_one("#help-lines", LineView).show(lines)
