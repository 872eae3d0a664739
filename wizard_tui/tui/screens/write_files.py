"""Ask for a directory, show what would be written over, and write."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from wizard_tui.files import expanded
from wizard_tui.launch.deployment import ALL, deployment_files
from wizard_tui.launch.writer import Conflict, OutputFile, write_files
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.tui.screens.base import QuietModal
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped
from wizard_tui.tui.widgets.quiet import QuietScroll, QuietVertical

DEFAULT_DIRECTORY = "vllm-deploy"
COLUMNS = 70
_DIFF_STYLES = {"+": "good", "-": "bad", "@": "accent"}


class WriteFilesScreen(QuietModal[str | None]):
    """Enter writes and returns what to say; Escape goes back and writes nothing.

    When files were changed by hand, their difference is shown, and a second Enter replaces them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Back")]

    def __init__(self, request: PlanRequest, response: PlanResponse, emit: str = ALL) -> None:
        super().__init__()
        self._request = request
        self._response = response
        self._emit = emit
        self._agreed_to: str | None = None

    def compose(self) -> ComposeResult:
        """Directory, which artifacts, and what will happen."""
        with QuietVertical(id="dialog"):
            yield LineView(id="write-title")
            yield Entry(DEFAULT_DIRECTORY, id="directory", on_edit=self._changed, on_submit=self._submitted)
            yield LineView(id="write-emit-title")
            yield Entry(self._emit, id="emit", on_edit=self._changed, on_submit=self._submitted)
            with QuietScroll(id="write-scroll"):
                yield LineView(id="write-lines")

    def on_mount(self) -> None:
        """Explain."""
        self.query_one("#write-title", LineView).show([(("Write to the directory", "strong"),)])
        self.query_one("#write-emit-title", LineView).show([(("What: names by commas, or all", "strong"),)])
        self._show_files()

    def _changed(self, text: str) -> None:
        self._agreed_to = None
        self._show_files()

    def _submitted(self) -> None:
        typed = self.query_one("#directory", Input).value.strip()
        if not typed:
            self._say("give a directory", "bad")
            return
        folder = Path(typed)
        try:
            folder = expanded(typed)
            written = write_files(folder, self._files(), force=self._agreed_to == typed)
        except Conflict as conflict:
            self._agreed_to = typed
            self._show_conflict(conflict)
        except ValueError as error:
            self._say(str(error), "bad")
        except OSError as error:
            self._say(f"{folder} cannot be written: {error.strerror or error}; give another directory", "bad")
        else:
            count = f"{len(written)} files" if len(written) != 1 else "1 file"
            self.dismiss(f"{count} written to {folder}" if written else f"everything in {folder} is up to date")

    def _files(self) -> dict[str, OutputFile]:
        emit = self.query_one("#emit", Input).value.replace(",", " ").split()
        return deployment_files(self._request, self._response, emit)

    def _show_files(self) -> None:
        try:
            names = ", ".join(self._files())
        except ValueError as error:
            self._say(str(error), "bad")
            return
        self._say(f"{names}. Enter writes, Escape goes back.", "dim")

    def _show_conflict(self, conflict: Conflict) -> None:
        said = f"{conflict}. Enter replaces it, Escape keeps it."
        lines: list[Line] = [*wrapped(said, COLUMNS, style="warn"), (("", ""),)]
        lines.extend(((line, _DIFF_STYLES.get(line[:1], "")),) for line in conflict.diff.splitlines())
        self.query_one("#write-lines", LineView).show(lines)

    def _say(self, sentence: str, style: str) -> None:
        self.query_one("#write-lines", LineView).show(wrapped(sentence, COLUMNS, style=style))
