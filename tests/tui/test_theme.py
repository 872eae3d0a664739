"""Colours over SSH: meaningful colours differ even where there are few."""

from __future__ import annotations

import pytest
from rich.color import ColorSystem
from textual.color import Color
from textual.theme import Theme

from wizard_tui.tui.theme import THEMES
from wizard_tui.tui.widgets.line_view import STYLES

SAYS_SOMETHING = ("good", "warn", "bad", "dim")


def colours_of(theme: Theme) -> dict[str, str]:
    return {**theme.to_color_system().generate(), **theme.variables}


def slots(theme: Theme, names: tuple[str, ...], system: ColorSystem) -> list[int | None]:
    colours = colours_of(theme)
    return [Color.parse(colours[name]).rich_color.downgrade(system).number for name in names]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("system", [ColorSystem.EIGHT_BIT, ColorSystem.STANDARD])
def test_good_tight_and_bad_differ_with_few_colours(theme: Theme, system: ColorSystem) -> None:
    shown = slots(theme, tuple(STYLES[name][0] for name in SAYS_SOMETHING), system)
    assert len(set(shown)) == len(SAYS_SOMETHING)
    (background,) = slots(theme, ("background",), system)
    assert background not in shown


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_256_colours_show_what_true_colour_shows(theme: Theme) -> None:
    colours = colours_of(theme)
    names = {variable for variable, _ in STYLES.values() if variable} | {"background", "surface", "panel"}
    for name in names:
        wanted = Color.parse(colours[name]).rich_color
        table = wanted.downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        # Rich rounds some greys to their neighbour, which is 10 of 255 away
        assert all(abs(a - b) <= 10 for a, b in zip(table, wanted.get_truecolor(), strict=True)), name
    assert len(set(slots(theme, ("background", "surface", "panel"), ColorSystem.EIGHT_BIT))) == 3
