"""Widgets that are painted once. Textual's own paint themselves and all within a second time as soon as they know how
large their content is, which is half of what a step or a page sends; the layout that follows is enough."""

from __future__ import annotations

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import ContentSwitcher, Log


class QuietHorizontal(Horizontal):
    """Side by side."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietVertical(Vertical):
    """One above the other."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietScroll(VerticalScroll):
    """One above the other, scrolled where there is no room for all."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietSwitcher(ContentSwitcher):
    """One of several."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)


class QuietLog(Log):
    """Lines that come and go."""

    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)
