"""The screen all ours derive from: moving the focus repaints two widgets instead of everything."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.reactive import Reactive
from textual.screen import ModalScreen, Screen, ScreenResultType
from textual.widget import Widget

from wizard_tui.tui.painting import painted_once


class QuietScreen(Screen[None]):
    """Textual's own `focused` repaints the whole screen on every Tab: 12 kB instead of 2 at 120x36."""

    focused: Reactive[Widget | None] = Reactive(None, repaint=False)


class QuietModal(ModalScreen[ScreenResultType]):
    """A page or a dialog that goes as it came: without painting twice what is beneath it."""

    def dismiss(self, result: ScreenResultType | None = None) -> AwaitComplete:
        """Close."""
        with painted_once(self.app):
            return super().dismiss(result)
