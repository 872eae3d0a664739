"""Ask for a directory, show what would be written over, and write."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.tui.widgets.line_view import LineView

DEFAULT_DIRECTORY = "vllm-deploy"


class WriteFilesScreen(ModalScreen[None]):
    """Enter writes; Escape goes back and writes nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "Back")]

    def __init__(self, response: PlanResponse, request: PlanRequest | None) -> None:
        super().__init__()
        self._response = response
        self._request = request

    def compose(self) -> ComposeResult:
        """Directory and what will be in it."""
        with Vertical(id="dialog"):
            yield LineView(id="write-title")
            directory = Input(DEFAULT_DIRECTORY, compact=True, id="directory")
            directory.cursor_blink = False
            yield directory
            yield LineView(id="write-lines")

    def on_mount(self) -> None:
        """Explain."""
        self.query_one("#write-title", LineView).show([(("Write all files to the directory", "strong"),)])
