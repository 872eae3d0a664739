"""Lines of styled text that repaint one by one: what did not change sends no bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]
"""Text and the name of its style: one of `STYLES`, or empty for plain."""

Line = tuple[Span, ...]

# a variable of the theme, and whether it is bold. Textual's component classes would say the same, and cost each of our
# panels eleven more passes through the style sheets, which was a third of the time to the first screen
STYLES: Mapping[str, tuple[str, bool]] = {
    "dim": ("dim", False),
    "strong": ("", True),
    "good": ("text-success", False),
    "warn": ("text-warning", False),
    "bad": ("text-error", True),
    "accent": ("text-accent", False),
    "flag": ("text-primary", False),
    "value": ("foreground", False),
    "comment": ("dim", False),
    "changed": ("text-accent", True),
    "key": ("text-accent", True),
}


@lru_cache(maxsize=64)
def _style(colour: str, bold: bool) -> Style:
    return Style(color=Color.parse(colour).rich_color if colour else None, bold=bold or None)


def shown(text: str) -> str:
    """Text with everything that a terminal would obey, or that would reorder the line, made visible."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def wrapped(
    text: str, columns: int, *, style: str = "", mark: Span = ("", ""), indent: str = "", rows: int | None = None
) -> list[Line]:
    """A sentence over as many lines as it needs, `rows` at most; `mark` stands before the first, `indent` before the
    others."""
    room = max(10, columns - max(len(mark[0]), len(indent)))
    pieces = textwrap.wrap(text, room, max_lines=rows, placeholder=" …", break_on_hyphens=False) or [""]
    return [(mark, (pieces[0], style)), *(((indent + piece, style),) for piece in pieces[1:])]


def _escaped(char: str) -> str:
    return repr(char)[1:-1] if char != "\t" else "    "


class LineView(Widget):
    """A panel of lines. `show` compares with what is on screen and refreshes the lines that differ."""

    DEFAULT_CSS = "LineView { height: auto; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []

    @property
    def lines(self) -> list[str]:
        """What is shown, as plain text."""
        return ["".join(text for text, _ in line) for line in self._lines]

    def show(self, lines: Sequence[Line]) -> None:
        """Replace all lines."""
        fresh = [tuple((shown(text), style) for text, style in line) for line in lines]
        old, self._lines = self._lines, fresh
        if len(old) != len(fresh) and self.styles.auto_dimensions:
            self.refresh(layout=True)
            return
        for y in range(max(len(old), len(fresh))):
            before = old[y] if y < len(old) else ()
            after = fresh[y] if y < len(fresh) else ()
            if before != after:
                width = max(_width(before), _width(after))
                self.refresh(Region(0, y - round(self.scroll_y), min(width, self.size.width), 1))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as the longest line."""
        return max((_width(line) for line in self._lines), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One row a line; a line that is too long is cut and not wrapped."""
        return max(1, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        return self.strip_of(self._lines[y] if y < len(self._lines) else (), self.size.width)

    def strip_of(self, line: Sequence[Span], columns: int) -> Strip:
        """Styled cells, cut or filled up to `columns`."""
        base = self.rich_style
        segments = [Segment(text, base + self._named(style) if style else base) for text, style in line]
        return Strip(segments, _width(line)).adjust_cell_length(columns, base)

    def _named(self, name: str) -> Style:
        variable, bold = STYLES[name]
        return _style(self.app.theme_variables[variable] if variable else "", bold)


def _width(line: Sequence[Span]) -> int:
    return sum(cell_len(text) for text, _ in line)
