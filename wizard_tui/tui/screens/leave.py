"""Leaving while a server runs: keep it running, stop it, or stay."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from wizard_tui.tui.widgets.line_view import LineView


class LeaveScreen(ModalScreen[str | None]):
    """Answers `keep` or `stop`; None means to stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "dismiss('keep')", "Keep it running"),
        Binding("x", "dismiss('stop')", "Stop it"),
        Binding("escape", "dismiss(None)", "Stay"),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def compose(self) -> ComposeResult:
        """The question."""
        with Vertical(id="dialog"):
            yield LineView(id="leave-lines")

    def on_mount(self) -> None:
        """Ask."""
        self.query_one("#leave-lines", LineView).show(
            [
                ((f"{self._name} still runs.", "strong"),),
                (("", ""),),
                (("k", "key"), (" keep it running; the next wizard finds it again", "")),
                (("x", "key"), (" stop it, then leave", "")),
                (("Escape", "key"), (" stay", "")),
            ]
        )
