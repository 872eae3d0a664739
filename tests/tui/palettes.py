"""The contents of a palette."""

from __future__ import annotations

from itertools import zip_longest

from textual.pilot import Pilot

from tests.tui.conftest import text_of
from wizard_tui.tui.palette import MARK, Palette


def listed(pilot: Pilot[str]) -> list[tuple[str, str]]:
    """The offers of the page on screen: name, and the text behind it."""
    assert isinstance(pilot.app.screen, Palette)
    names, does = (text_of(pilot, panel).splitlines() for panel in ("#names", "#does"))
    return [(name[len(MARK) :], rest) for name, rest in zip_longest(names, does, fillvalue="")]


def under_cursor(pilot: Pilot[str]) -> str:
    """The name of the offer that Enter takes; empty where there is none."""
    marked = [row for row in text_of(pilot, "#names").splitlines() if row.startswith(MARK)]
    assert len(marked) <= 1
    return marked[0][len(MARK) :] if marked else ""
