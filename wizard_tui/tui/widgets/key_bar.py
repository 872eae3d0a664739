"""The bottom line: the keys that matter, each also a button.

Textual's own footer is built anew on every change of focus, which sends 1.6 kB for each Tab.
"""

from __future__ import annotations

from collections.abc import Iterable

from textual.binding import Binding, BindingType
from textual.events import Click, Resize

from wizard_tui.tui.widgets.line_view import LineView, Span


class KeyBar(LineView):
    """Shows the bindings that are marked as visible; a click does what the key does."""

    def __init__(self, bindings: Iterable[BindingType], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._keys = [one for one in bindings if isinstance(one, Binding) and one.show]
        self._ends: list[tuple[int, str]] = []
        self._lay_out("  ")

    def on_resize(self, event: Resize) -> None:
        """Less room between the keys where they would not all be seen."""
        self._lay_out("  ")
        if self._ends and self._ends[-1][0] > event.size.width:
            self._lay_out(" ")

    def _lay_out(self, gap: str) -> None:
        spans: list[Span] = []
        self._ends = []
        at = 0
        for binding in self._keys:
            key, words = binding.key_display or binding.key, f" {binding.description}{gap}"
            spans += [(key, "key"), (words, "")]
            at += len(key) + len(words)
            self._ends.append((at, binding.action))
        self.show([tuple(spans)])

    async def on_click(self, event: Click) -> None:
        """Run the action under the pointer."""
        for end, action in self._ends:
            if event.x < end:
                await self.screen.run_action(action)
                return
