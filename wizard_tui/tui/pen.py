"""Writes styled text for a terminal, with only the codes that differ from the style before."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

RESET = "0"
DEFAULT_COLOUR, DEFAULT_GROUND = "39", "49"
ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "5": "25", "7": "27", "8": "28", "9": "29"}
"""The code that ends a single setting, where a reset would also drop the colours; bold and dim share one."""


class _Look(NamedTuple):
    """A style as the codes of ECMA-48: settings such as bold, and the two colours (empty: the terminal's own)."""

    settings: frozenset[str] = frozenset()
    colour: str = ""
    ground: str = ""


_PLAIN = _Look()


class Pen:
    """Continues in its last style until it is lifted. Styles are written for a colour system; without one there are
    none."""

    def __init__(self, system: ColorSystem | None) -> None:
        self._system = system
        self._look = _PLAIN

    def write(self, segment: Segment) -> str:
        """The text of a segment, after the codes that it needs."""
        if self._system is None:
            return segment.text
        return self._change(_look_of(segment.style, self._system)) + segment.text

    def lift(self) -> str:
        """Leave the terminal without any style."""
        return self._change(_PLAIN)

    def _change(self, wanted: _Look) -> str:
        had, self._look = self._look, wanted
        if had == wanted:
            return ""
        anew = ";".join([RESET, *_codes(_PLAIN, wanted)])
        onward = ";".join(_codes(had, wanted)) if had.settings - wanted.settings <= ENDS.keys() else anew
        return f"\x1b[{min(onward, anew, key=len)}m"


def _codes(had: _Look, wanted: _Look) -> list[str]:
    ended = {ENDS[setting] for setting in had.settings - wanted.settings}
    still = {setting for setting in had.settings if ENDS.get(setting) not in ended}
    codes = [*sorted(ended), *sorted(wanted.settings - still)]
    if wanted.colour != had.colour:
        codes.append(wanted.colour or DEFAULT_COLOUR)
    if wanted.ground != had.ground:
        codes.append(wanted.ground or DEFAULT_GROUND)
    return codes


def _look_of(style: Style | None, system: ColorSystem) -> _Look:
    return _PLAIN if style is None else _parsed(style._ansi or style._make_ansi_codes(system))


@lru_cache(maxsize=1024)
def _parsed(codes: str) -> _Look:
    settings: set[str] = set()
    colours = {False: "", True: ""}
    numbers = iter(codes.split(";") if codes else ())
    for number in numbers:
        value = int(number)
        if value in (38, 48):
            kind = next(numbers)
            count = 1 if kind == "5" else 3
            colours[value == 48] = ";".join([number, kind, *(next(numbers) for _ in range(count))])
        elif 30 <= value <= 39 or 90 <= value <= 97:
            colours[False] = number
        elif 40 <= value <= 49 or 100 <= value <= 107:
            colours[True] = number
        else:
            settings.add(number)
    return _Look(frozenset(settings), colours[False], colours[True])
