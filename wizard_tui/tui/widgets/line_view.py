"""Lines of styled text that repaint one by one: what did not change sends no bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]
"""Text and the name of its style: one of `STYLES`, or empty for plain."""

Line = tuple[Span, ...]

Click = tuple[int, str]
"""The column before which a line answers to the mouse, and the action that it then does."""

# a variable of the theme, and its text style. Textual's component classes would do the same, but cost each of our
# panels eleven more passes through the style sheets: a third of the time to the first screen
STYLES: Mapping[str, tuple[str, str]] = {
    "faint": ("faint", ""),
    "dim": ("dim", ""),
    "strong": ("", "bold"),
    "good": ("text-success", ""),
    "warn": ("text-warning", ""),
    "bad": ("text-error", "bold"),
    "good-badge": ("text-success", "bold reverse"),
    "warn-badge": ("text-warning", "bold reverse"),
    "bad-badge": ("text-error", "bold reverse"),
    "dim-badge": ("dim", "bold reverse"),
    "accent": ("text-accent", ""),
    "flag": ("text-primary", ""),
    "value": ("foreground", ""),
    "comment": ("dim", ""),
    "changed": ("text-accent", "bold"),
    "key": ("text-accent", "bold"),
}


_SEEN_ON_BLANKS = {name for name, (_, setting) in STYLES.items() if "reverse" in setting}
# rough bytes to set and end a style, and to move to another column before
STYLE_BYTES = 23
ANEW_BYTES = STYLE_BYTES + 8

_MARKED = Style(reverse=True)


@lru_cache(maxsize=64)
def _style(colour: str, setting: str) -> Style:
    return Style.parse(setting) + Style(color=Color.parse(colour).rich_color if colour else None)


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


def cut(text: str, columns: int) -> str:
    """Text of at most so many characters; an ellipsis says that there is more."""
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _escaped(char: str) -> str:
    return repr(char)[1:-1] if char != "\t" else "    "


class LineView(Widget):
    """A panel of lines. `show` compares with what is on screen and refreshes the lines that differ."""

    DEFAULT_CSS = "LineView { height: auto; width: 1fr; }"

    # as in quiet.py
    virtual_size: Reactive[Size] = Reactive(Size(0, 0), layout=True, repaint=False)

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._lines: list[Line] = []
        self._clicks: Mapping[int, Sequence[Click]] = {}
        self._is_marked = False

    def mark(self, *, on: bool) -> None:
        """Set the first line in reverse, for the pane that has the focus, or like the others."""
        self._is_marked = on
        self.refresh(Region(0, 0, self.size.width, 1))

    @property
    def lines(self) -> list[str]:
        """What is shown, as plain text."""
        return ["".join(text for text, _ in line) for line in self._lines]

    def show(self, lines: Sequence[Line], clicks: Mapping[int, Sequence[Click]] | None = None) -> None:
        """Replace all lines; `clicks` names the actions of those that answer to the mouse, from left to right."""
        self._clicks = clicks or {}
        fresh = [tuple((shown(text), style) for text, style in line) for line in lines]
        old, self._lines = self._lines, fresh
        if len(old) != len(fresh) and self.styles.auto_dimensions:
            self.refresh(layout=True)
            return
        for y in range(max(len(old), len(fresh))):
            before = old[y] if y < len(old) else ()
            after = fresh[y] if y < len(fresh) else ()
            if y == 0 and self._is_marked and before != after:
                # set in reverse, every blank shows its colour
                self.mark(on=True)
                continue
            for start, end in _differences(before, after, self.size.width):
                self.refresh(Region(start, y - round(self.scroll_y), end - start, 1))

    async def on_click(self, event: events.Click) -> None:
        """Do what stands under the pointer."""
        for end, action in self._clicks.get(event.y, ()):
            if event.x < end:
                event.stop()
                await self.run_action(action)
                return

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """As wide as the longest line."""
        return max((_width(line) for line in self._lines), default=0)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One row a line; a line that is too long is cut and not wrapped."""
        return max(1, len(self._lines))

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        strip = self.strip_of(self._lines[y] if y < len(self._lines) else (), self.size.width)
        return strip.apply_style(_MARKED) if y == 0 and self._is_marked else strip

    def strip_of(self, line: Sequence[Span], columns: int) -> Strip:
        """Styled cells, cut or filled up to `columns`."""
        base = self.rich_style
        # neighbours of one style form one piece: each piece writes its style
        pieces = [("".join(text for text, _ in group), style) for style, group in groupby(line, itemgetter(1))]
        segments = [Segment(text, base + self._named(style) if style else base) for text, style in pieces]
        room = columns - _width(line)
        if segments and room > 0 and not (segments[-1].style or base).reverse:
            # blanks join the last piece: as a piece of their own, they would write a style
            segments[-1] = Segment(segments[-1].text + " " * room, segments[-1].style)
            return Strip(segments, columns)
        return Strip(segments, columns - room).adjust_cell_length(columns, base)

    def _named(self, name: str) -> Style:
        variable, setting = STYLES[name]
        return _style(self.app.theme_variables[variable] if variable else "", setting)


def _differences(before: Line, after: Line, columns: int) -> list[tuple[int, int]]:
    """The stretches of columns that differ. Two with little between them are one: that costs less."""
    if before == after:
        return []
    old, new = _cells(before, columns), _cells(after, columns)
    found: list[tuple[int, int]] = []
    for at in (at for at in range(columns) if old[at] != new[at]):
        if found and _cost(new[found[-1][1] : at]) <= ANEW_BYTES:
            found[-1] = found[-1][0], at + 1
        else:
            found.append((at, at + 1))
    return found


def _cells(line: Line, columns: int) -> list[Span]:
    """The character and the style of each column; for a blank, only its visible style."""
    cells: list[Span] = []
    for char, style in ((char, style) for text, style in line for char in text):
        if width := cell_len(char):
            cells.append((char, style if char != " " or style in _SEEN_ON_BLANKS else ""))
            # the second column of a wide character changes with the first
            cells += [("", char)] * (width - 1)
        elif cells:
            cells[-1] = cells[-1][0] + char, style
    return [*cells, *[(" ", "")] * (columns - len(cells))][:columns]


def _cost(cells: Sequence[Span]) -> int:
    """Bytes that these cells take: their text, and every style except the first."""
    styles = len(list(groupby(cells, itemgetter(1))))
    return sum(len(char.encode()) for char, _ in cells) + STYLE_BYTES * max(0, styles - 1)


def _width(line: Sequence[Span]) -> int:
    return sum(cell_len(text) for text, _ in line)
