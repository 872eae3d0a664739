"""The screen that all pages and dialogs derive from: it closes once, and closes only itself."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.reactive import Reactive
from textual.screen import ModalScreen, ScreenResultType
from textual.widget import Widget

from wizard_tui.tui.painting import painted_once


class QuietModal(ModalScreen[ScreenResultType]):
    """A page or dialog that opens and closes without painting twice what is beneath it."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    @property
    def on_top(self) -> bool:
        """False as soon as it is closed, and while another one lies over it."""
        return self.app.screen_stack[-1:] == [self]

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close. A second choice, click or Escape already queued reaches what lies beneath, and closes nothing."""
        if not self.on_top:
            return AwaitComplete()
        with painted_once(self.app):
            return super().dismiss(result)
