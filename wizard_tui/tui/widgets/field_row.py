"""One field of a form: label, editor, and where its value comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.events import Click, DescendantBlur, DescendantFocus
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip

from wizard_tui.tui.fields import AUTO, Field
from wizard_tui.tui.sizes import MARK_COLUMNS
from wizard_tui.tui.widgets.choice import Choice
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.line_view import LineView, Span

if TYPE_CHECKING:
    from wizard_tui.tui.session import Origin

_MARKS: dict[Origin, Span] = {
    "default": (" default", "faint"),
    "detected": (" detected", "good"),
    "suggested": (" suggested", "flag"),
    "yours": (" yours", "accent"),
}
_WRONG: Span = (" !", "bad")


class FieldRow(LineView):
    """Shows the text of a field as it was typed, whatever it is.

    Draws label and mark itself, around its one child: each key typed visits every widget of the form, and five for each
    row were too many. Errors stand beneath the form: a row that grew would move those below it.
    """

    @dataclass
    class Entered(Message):
        """The focus came to this field."""

        path: str

    def __init__(
        self, field: Field, text: str, on_edit: Callable[[str, str], None], suggestions: tuple[str, ...] = ()
    ) -> None:
        """`on_edit` gets the path of the field and its text, after every key."""
        super().__init__(id=f"row-{field.widget_id}", classes="field")
        self.field = field
        self.editor = _editor(field, text, partial(on_edit, field.path), suggestions)
        self._mark: Span = ("", "")
        self._is_wrong = False
        self._has_focus = False
        self._draw()

    def compose(self) -> ComposeResult:
        """The editor; all else is drawn."""
        yield self.editor

    def set_text(self, text: str) -> None:
        """Put another text into the editor."""
        if self.editor.value != text:
            self.editor.put(text)

    def show_state(self, origin: Origin, settled: str, *, is_wrong: bool) -> None:
        """Bring the mark up to date, and the plan's value for a field left open."""
        self.editor.show_settled(settled)
        mark = _WRONG if is_wrong else _MARKS[origin]
        if self._mark != mark:
            self._mark = mark
            self.refresh(Region(self.size.width - MARK_COLUMNS, 0, MARK_COLUMNS, 1))
        if self._is_wrong != is_wrong:
            self._is_wrong = is_wrong
            self._draw()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Mark the row and tell the screen whose help to show."""
        self._has_focus = True
        self._draw()
        self.post_message(self.Entered(self.field.path))

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        """Unmark the row."""
        self._has_focus = False
        self._draw()

    async def on_click(self, event: Click) -> None:
        """The label leads to its field."""
        self.screen.set_focus(self.editor)

    def render_line(self, y: int) -> Strip:
        """The mark stands at the end."""
        strip = super().render_line(y)
        if not self._mark[0]:
            return strip
        return Strip.join([strip.crop(0, strip.cell_length - MARK_COLUMNS), self.strip_of([self._mark], MARK_COLUMNS)])

    def _draw(self) -> None:
        style = "bad" if self._is_wrong else "changed" if self._has_focus else "dim"
        self.show([((f"{'›' if self._has_focus else ' '} {self.field.label}", style),)])


def _editor(field: Field, text: str, on_edit: Callable[[str], None], suggestions: tuple[str, ...]) -> Entry | Choice:
    if field.kind == "choice":
        return Choice(field.choices, text, id=field.widget_id, on_edit=on_edit)
    return Entry(text, id=field.widget_id, placeholder=field.default or AUTO, suggestions=suggestions, on_edit=on_edit)
