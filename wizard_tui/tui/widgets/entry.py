"""A line to type in, for forms and dialogs."""

from __future__ import annotations

from collections.abc import Callable

from textual._callback import invoke
from textual.widgets import Input

from wizard_tui.tui.settled import NONE
from wizard_tui.tui.widgets.line_view import shown


class Entry(Input):
    """Textual's input, quiet and in order.

    A blinking cursor sends a kilobyte a second to an idle terminal. And typed text is reported at once, by a call: a
    message would be read only after the next keys have been handled.
    """

    def __init__(
        self,
        text: str,
        *,
        id: str,  # noqa: A002
        placeholder: str = "",
        suggestions: tuple[str, ...] = (),
        on_edit: Callable[[str], None] | None = None,
        on_submit: Callable[[], object] | None = None,
    ) -> None:
        """`on_edit` gets the text after every key; `on_submit` is called, and awaited, on Enter, which otherwise goes
        to the widget around this line."""
        self._on_edit: Callable[[str], None] | None = None
        self._on_submit = on_submit
        self._suggestions = tuple((text.casefold(), text) for text in suggestions)
        super().__init__(
            text,
            placeholder=placeholder,
            compact=True,
            select_on_focus=False,
            id=id,
        )
        self.cursor_blink = False
        self._default = placeholder
        self._on_edit = on_edit
        self.disable_messages(Input.Changed)

    def put(self, text: str) -> None:
        """Show another text, which nobody typed."""
        told, self._on_edit = self._on_edit, None
        self.value = text
        self._on_edit = told

    def watch_value(self, value: str) -> None:
        """Suggest how it may go on, and tell whoever listens."""
        # Textual's own suggesters answer later, by a task that an app which ends leaves behind
        typed = value.casefold()
        fitting = (text for folded, text in self._suggestions if folded.startswith(typed))
        self._suggestion = next(fitting, "") if value else ""
        if self._on_edit is not None:
            self._on_edit(value)

    def show_settled(self, text: str) -> None:
        """Show what the plan makes of the field while it is empty; empty text before there is a plan."""
        self.placeholder = text if text == NONE else f"{self._default}: {shown(text)}" if text else self._default

    def validate_value(self, value: str) -> str:
        """Text that a terminal would obey is made visible: a profile or a paste may hold anything."""
        return shown(value)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enter is this line's own key only where it means something here."""
        return action != "submit" or self._on_submit is not None

    async def action_submit(self) -> None:
        """Enter."""
        if self._on_submit is not None:
            await invoke(self._on_submit)
