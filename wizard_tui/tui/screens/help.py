"""All keys, read from the bindings themselves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen

from wizard_tui.tui.widgets.line_view import Line, LineView

FURTHER = (
    ("Tab, Shift+Tab", "next and previous field"),
    ("left, right, space", "change a field that shows ‹ word ›, or the tab of the preview"),
    ("ctrl+k", "command palette"),
    ("Shift + mouse", "select text with your terminal's own selection"),
)


class HelpScreen(ModalScreen[None]):
    """Closed by Escape, F1 or Enter."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,enter", "dismiss", "Close")]

    def __init__(self, of: Screen[None]) -> None:
        super().__init__()
        self._of = of

    def compose(self) -> ComposeResult:
        """One page of keys."""
        with VerticalScroll(id="dialog"):
            yield LineView(id="help-lines")

    def on_mount(self) -> None:
        """List what is bound."""
        lines: list[Line] = [(("Keys", "accent"),)]
        seen = set()
        for _, bindings in (*self._of._bindings, *self.app._bindings):
            for binding in bindings:
                if binding.description and binding.description not in seen:
                    seen.add(binding.description)
                    keys = " ".join(
                        b.key
                        for _, group in (*self._of._bindings, *self.app._bindings)
                        for b in group
                        if b.action == binding.action
                    )
                    lines.append(((f"  {keys:<20}", "key"), (binding.description, "")))
        lines.extend(((f"  {key:<20}", "key"), (what, "")) for key, what in FURTHER)
        self.query_one("#help-lines", LineView).show(lines)
