"""The plan as two plots: users against waiting, and context against users."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual_plotext import Plot, PlotextPlot

from wizard_tui.planning.curves import Curves
from wizard_tui.tui.modal import QuietModal
from wizard_tui.tui.widgets.line_view import LineView
from wizard_tui.tui.widgets.quiet import QuietVertical

AT_MOST_TICKS, AT_MOST_LINES = 7, 6
SMALLEST = 0.1
NAME_APART = 1.3
# in the fonts of all terminals, unlike Braille
MARKER = "•"
# safe for colour blindness, on dark and on light (Okabe and Ito)
BLUE, ORANGE, GREEN = (0, 146, 220), (230, 159, 0), (0, 158, 115)


class _Drawing(PlotextPlot):
    """A plot that is freed when its page is closed: its subscription to the theme would keep it for ever."""

    def on_unmount(self) -> None:
        self.app.theme_changed_signal.unsubscribe(self)


class PlotsScreen(QuietModal[None]):
    """Closed by Escape, Enter or the key that opened it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,ctrl+g", "dismiss", "Close")]

    def __init__(self, curves: Curves, planned: int) -> None:
        """`planned`: the concurrency that is planned for."""
        super().__init__()
        self._curves = curves
        self._planned = planned

    def compose(self) -> ComposeResult:
        """One above the other, so that both have the whole width."""
        words = LineView(id="plot-words")
        said = f"The upright line is the planned concurrency, {self._planned}. Escape closes this page."
        words.show([((said, "dim"),)])
        with QuietVertical(id="plots"):
            yield self._speed()
            yield self._room()
            yield words

    # both axes are logarithmic, by the positions of the points: doubling is one step everywhere

    def _speed(self) -> _Drawing:
        curves, drawn = self._curves, _Drawing(id="plot-speed")
        speed = drawn.plt
        speed.title("waiting over requests in flight")
        middle = len(curves.clients) // 2
        for name, series, color, away in (
            ("TTFT", curves.ttft_ms, BLUE, NAME_APART),
            ("TPOT", curves.tpot_ms, ORANGE, -NAME_APART),
        ):
            speed.plot(_logs(curves.clients), _logs(series), marker=MARKER, color=color)
            # by name as well as by colour
            x, y = math.log2(curves.clients[middle]), _logs(series)[middle] + away
            speed.text(name, x, y, color=color, background="default")
        speed.vertical_line(math.log2(self._planned), "gray")
        _ticks(speed, curves.clients, (*curves.ttft_ms, *curves.tpot_ms), _milliseconds)
        return drawn

    def _room(self) -> _Drawing:
        curves, drawn = self._curves, _Drawing(id="plot-room")
        room = drawn.plt
        room.title("requests at once over tokens of each")
        room.plot(_logs(curves.context_tokens), _logs(curves.at_once), marker=MARKER, color=GREEN)
        _ticks(room, curves.context_tokens, curves.at_once, _count)
        return drawn


def _ticks(plot: Plot, xs: Sequence[float], ys: Sequence[float], words: Callable[[float], str]) -> None:
    every = -(-len(xs) // AT_MOST_TICKS)
    chosen = xs[::-1][::every][::-1]
    plot.xticks(_logs(chosen), [_count(x) for x in chosen])
    low, high = max(min(ys), SMALLEST), max(*ys, SMALLEST)
    round_numbers = [digit * 10.0**power for power in range(-1, 8) for digit in (1, 2, 5)]
    within = [number for number in round_numbers if low / 2 <= number <= 2 * high]
    within = within[:: -(-len(within) // AT_MOST_LINES)]
    plot.yticks(_logs(within), [words(number) for number in within])


def _logs(numbers: Sequence[float]) -> list[float]:
    return [math.log2(max(number, SMALLEST)) for number in numbers]


def _count(number: float) -> str:
    """A count in at most four characters, with vLLM's thousands: 8K for 8192."""
    return f"{number / 1024:.0f}K" if number >= 1024 else f"{number:g}"


def _milliseconds(number: float) -> str:
    return f"{number / 1000:g} s" if number >= 1000 else f"{number:g} ms"
