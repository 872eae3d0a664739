"""A line to type in, for forms and dialogs."""

from __future__ import annotations

from textual.events import Key
from textual.suggester import SuggestFromList
from textual.widgets import Input

from wizard_tui.tui.settled import NONE
from wizard_tui.tui.widgets.line_view import shown


class Entry(Input):
    """Textual's input, quiet and in order.

    A blinking cursor sends a kilobyte a second to an idle terminal. And Textual runs the editing keys after those that
    follow them when all come at once, as they do over a slow line: `ctrl+u` then wipes out what was typed after it.
    """

    def __init__(self, text: str, *, id: str, placeholder: str = "", suggestions: tuple[str, ...] = ()) -> None:  # noqa: A002
        super().__init__(
            text,
            placeholder=placeholder,
            compact=True,
            select_on_focus=False,
            suggester=SuggestFromList(suggestions, case_sensitive=False) if suggestions else None,
            id=id,
        )
        self.cursor_blink = False
        self._default = placeholder

    def show_settled(self, text: str) -> None:
        """Show what the plan makes of the field while it is empty; empty text before there is a plan."""
        self.placeholder = text if text == NONE else f"{self._default}: {shown(text)}" if text else self._default

    def validate_value(self, value: str) -> str:
        """What a terminal would obey becomes text that can be seen: a profile or a paste may hold anything."""
        return shown(value)

    async def _on_key(self, event: Key) -> None:
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            event.stop()
            event.prevent_default()
            await self.run_action(binding.action)
