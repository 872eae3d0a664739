"""Widgets that are painted once. Textual's own paint themselves and their content again once they know its size, which
is half of what a step or a page sends; the layout that follows is enough."""

from __future__ import annotations

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import Blur, DescendantBlur, DescendantFocus, Focus
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Log

from wizard_tui.tui.widgets.line_view import LineView


class QuietHorizontal(Horizontal):
    """Side by side."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietVertical(Vertical):
    """One above the other."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class Pane(Widget):
    """Takes the focus as a whole, and shows that in its first line.

    Textual's own is repainted, with its content and scrollbar, when the focus comes and goes: 6 to 8 kB for a Tab. As a
    base class it comes after a container, whose style sheet counts.
    """

    def _on_focus(self, event: Focus) -> None:
        event.prevent_default()
        self._take_focus(has_focus=True)
        if self.parent is not None:
            self.parent.post_message(DescendantFocus(self))

    def _on_blur(self, event: Blur) -> None:
        event.prevent_default()
        self._take_focus(has_focus=False)
        if self.parent is not None:
            self.parent.post_message(DescendantBlur(self))

    def _take_focus(self, *, has_focus: bool) -> None:
        self.set_reactive(Widget.has_focus, has_focus)
        for first in self.query(LineView)[:1]:
            first.mark(on=has_focus)


class QuietScroll(VerticalScroll, Pane):
    """One above the other, scrolled where there is no room for all."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietSwitcher(ContentSwitcher):
    """One of several."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietLog(Log):
    """Incoming lines, seen from the end until somebody scrolls away, whatever size the log gets."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)
    _at_end = True

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Textual's own auto_scroll mistakes a log that got smaller for one that was scrolled away from its end."""
        super().watch_scroll_y(old_value, new_value)
        self._at_end = self.is_vertical_scroll_end

    def on_resize(self) -> None:
        """Stay at the end."""
        if self._at_end:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
