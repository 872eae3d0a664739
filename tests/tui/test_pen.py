"""The pen's output looks like Rich's, in every colour system."""

from __future__ import annotations

from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from wizard_tui.tui.pen import Pen

COLOURS = st.none() | st.builds(Color.from_rgb, *[st.sampled_from((0, 64, 255))] * 3) | st.just(Color.default())
FLAGS = st.none() | st.booleans()
STYLES = st.none() | st.builds(
    lambda colour, ground, bold, dim, reverse, underline: Style(
        color=colour, bgcolor=ground, bold=bold, dim=dim, reverse=reverse, underline=underline
    ),
    COLOURS, COLOURS, FLAGS, FLAGS, FLAGS, FLAGS,
)  # fmt: skip
SEGMENTS = st.lists(st.builds(Segment, st.sampled_from(("a", "bc", " ")), STYLES), max_size=8)


def seen(written: str) -> list[tuple[Any, ...]]:
    """Each cell of a terminal, with its style; and the style that the next one would have."""
    screen = pyte.Screen(20, 1)
    pyte.Stream(screen).feed(written + "x")
    return [tuple(screen.buffer[0][column]) for column in range(20)]


@pytest.mark.parametrize("system", list(ColorSystem)[:3])
@settings(max_examples=60)
@given(segments=SEGMENTS)
def test_it_looks_as_rich_writes_it(system: ColorSystem, segments: list[Segment]) -> None:
    # made anew: a style remembers its codes for the first system that asks
    pen = Pen(system)
    ours = "".join(map(pen.write, segments)) + pen.lift()
    theirs = "".join(
        Style.render(segment.style, segment.text, color_system=system) if segment.style else segment.text
        for segment in segments
    )
    assert seen(ours) == seen(theirs)
    assert len(ours) <= len(theirs)


def test_without_colours_there_are_none() -> None:
    assert Pen(None).write(Segment("a", Style(bold=True))) == "a"


def test_a_style_that_does_not_change_is_not_written_again() -> None:
    pen = Pen(ColorSystem.EIGHT_BIT)
    grey, bold = Style.parse("color(250) on color(234)"), Style.parse("bold color(80) on color(234)")
    written = "".join(pen.write(Segment("a", style)) for style in (grey, grey, bold, grey)) + pen.lift()
    assert written == "\x1b[38;5;250;48;5;234maa\x1b[1;38;5;80ma\x1b[22;38;5;250ma\x1b[0m"
