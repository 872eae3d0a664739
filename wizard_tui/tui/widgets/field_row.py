"""One field of a form: label, editor, where its value comes from, and its error beneath."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.widgets import Input

from wizard_tui.tui.fields import Field
from wizard_tui.tui.widgets.choice import Choice
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

if TYPE_CHECKING:
    from wizard_tui.tui.session import Origin

ERROR_COLUMNS = 44

_MARKS: dict[Origin, tuple[str, str]] = {
    "default": ("", ""),
    "detected": ("found", "dim"),
    "suggested": ("taken", "accent"),
    "yours": ("yours", "accent"),
}


class FieldRow(Vertical):
    """Shows the text of a field as it was typed, whatever it is."""

    @dataclass
    class Entered(Message):
        """The focus came to this field."""

        path: str

    def __init__(self, field: Field, text: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(id=f"row-{field.widget_id}", classes="field")
        self.field = field
        self.editor = _editor(field, text, suggestions)
        self._label = LineView(classes="label")
        self._mark = LineView(classes="mark")
        self._error = LineView(classes="error")
        self._label.show([((field.label, ""),)])

    def compose(self) -> ComposeResult:
        """Label, editor and mark on one row, the error on the next when there is one."""
        with Horizontal():
            yield self._label
            yield self.editor
            yield self._mark
        yield self._error

    def set_text(self, text: str) -> None:
        """Put another text into the editor without saying that it changed."""
        if self.editor.value != text:
            with self.prevent(Input.Changed, Choice.Changed):
                self.editor.value = text

    def show(self, origin: Origin, error: str | None) -> None:
        """Bring mark and error up to date. The text is left alone: keys that are still on their way are ahead of what
        the session knows."""
        self._mark.show([(_MARKS[origin],)])
        self.set_class(error is not None, "-invalid")
        self._error.show(_error_lines(error) if error else [])

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Mark the row and tell the screen whose help to show."""
        self.add_class("-focused")
        self.post_message(self.Entered(self.field.path))

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Unmark the row."""
        self.remove_class("-focused")


def _editor(field: Field, text: str, suggestions: tuple[str, ...]) -> Entry | Choice:
    if field.kind == "choice":
        return Choice(field.choices, text, id=field.widget_id)
    return Entry(text, id=field.widget_id, placeholder=field.default or "auto", suggestions=suggestions)


def _error_lines(error: str) -> list[Line]:
    return wrapped(error, ERROR_COLUMNS, style="bad", mark=("! ", "bad"), indent="  ", rows=3)
