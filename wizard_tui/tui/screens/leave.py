"""Leaving while a server runs: keep it running, stop it, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from wizard_tui.tui.modal import QuietModal
from wizard_tui.tui.widgets.line_view import LineView
from wizard_tui.tui.widgets.quiet import QuietVertical


class LeaveScreen(QuietModal[str | None]):
    """Answers `keep` or `stop`; None means to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "dismiss('keep')", "Keep it running"),
        Binding("x", "dismiss('stop')", "Stop it"),
        Binding("escape", "dismiss(None)", "Stay"),
    ]

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server
        self._block = LineView(id="leave-lines")

    def compose(self) -> ComposeResult:
        """The question."""
        with QuietVertical(id="dialog"):
            yield self._block

    def on_mount(self) -> None:
        """Ask."""
        self._block.show(
            [
                ((f"{self._server} still runs.", "strong"),),
                (("", ""),),
                (("k", "key"), (" keep it running; the next wizard finds it again", "")),
                (("x", "key"), (" stop it, then leave", "")),
                (("Escape", "key"), (" stay", "")),
            ]
        )
