"""One field of a form: label, editor, where its value comes from, and its error beneath."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantBlur, DescendantFocus
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input

from wizard_tui.tui.fields import Field
from wizard_tui.tui.session import Origin
from wizard_tui.tui.widgets.choice import Choice
from wizard_tui.tui.widgets.line_view import LineView

_MARKS: dict[Origin, tuple[str, str]] = {
    "default": ("", ""),
    "detected": ("found", "dim"),
    "suggested": ("taken", "accent"),
    "yours": ("yours", "accent"),
}


class FieldRow(Vertical):
    """Shows the text of a field as it was typed, whatever it is; says `Edited` on each change."""

    @dataclass
    class Edited(Message):
        """The user changed the text."""

        path: str
        text: str

    @dataclass
    class Entered(Message):
        """The focus came to this field."""

        path: str

    def __init__(self, field: Field, text: str, suggestions: tuple[str, ...] = ()) -> None:
        super().__init__(id=f"row-{field.widget_id}", classes="field")
        self.field = field
        self._text = text
        self._suggestions = suggestions

    def compose(self) -> ComposeResult:
        """Label, editor and mark on one row, the error on the next when there is one."""
        with Horizontal():
            yield LineView(id=f"label-{self.field.widget_id}", classes="label")
            if self.field.kind == "choice":
                yield Choice(self.field.choices, self._text, id=self.field.widget_id)
            else:
                editor = Input(
                    self._text,
                    placeholder="auto" if not self.field.default else self.field.default,
                    compact=True,
                    select_on_focus=False,
                    suggester=SuggestFromList(self._suggestions, case_sensitive=False) if self._suggestions else None,
                    id=self.field.widget_id,
                )
                editor.cursor_blink = False
                yield editor
            yield LineView(id=f"mark-{self.field.widget_id}", classes="mark")
        yield LineView(id=f"error-{self.field.widget_id}", classes="error")

    def on_mount(self) -> None:
        """Fill the label once."""
        self._line("label").show([((self.field.label, ""),)])

    @property
    def editor(self) -> Input | Choice:
        """The widget that takes the keys."""
        return self.query_one(f"#{self.field.widget_id}", Choice if self.field.kind == "choice" else Input)

    def show(self, text: str, origin: Origin, error: str | None) -> None:
        """Bring the row up to date without saying `Edited`."""
        editor = self.editor
        if editor.value != text:
            with self.prevent(Input.Changed, Choice.Changed):
                editor.value = text
        mark, style = _MARKS[origin]
        self._line("mark").show([((mark, style),)])
        self.set_class(error is not None, "-invalid")
        self._line("error").show([((f"! {error}", "bad"),)] if error else [])

    @on(Input.Changed)
    @on(Choice.Changed)
    def _edited(self, event: Input.Changed | Choice.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.field.path, event.value))

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Mark the row and tell the screen whose help to show."""
        self.add_class("-focused")
        self.post_message(self.Entered(self.field.path))

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Unmark the row."""
        self.remove_class("-focused")

    def _line(self, name: str) -> LineView:
        return self.query_one(f"#{name}-{self.field.widget_id}", LineView)
