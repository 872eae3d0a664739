"""A page of lines over the wizard, which scrolls and is closed by the key that opened it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult

from wizard_tui.tui.modal import QuietModal
from wizard_tui.tui.widgets.line_view import Line, LineView
from wizard_tui.tui.widgets.quiet import QuietScroll

COLUMNS = 68
_END: tuple[Line, ...] = ((("", ""),), (("Escape closes this page.", "dim"),))


class Page(QuietModal[None]):
    """Closed by Escape, Enter or `key`."""

    def __init__(self, lines: Sequence[Line], key: str) -> None:
        super().__init__()
        self._lines = lines
        self._block = LineView(id="page-lines")
        self._bindings.bind(f"escape,enter,{key}", "dismiss", "Close")

    def compose(self) -> ComposeResult:
        """One block of lines."""
        with QuietScroll(id="dialog"):
            yield self._block

    def on_mount(self) -> None:
        """Draw the page: not before, as it would be painted twice."""
        self._block.show([*self._lines, *_END])
