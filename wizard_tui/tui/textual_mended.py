"""Fixes for faults of Textual 8.2 that no widget of ours can mend by itself. Loaded before the first screen."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate
from textual._styles_cache import StylesCache

from wizard_tui.tui.pen import Pen

# The sum of two colours is cached together with the object that asked for it, for the last 1024 of them. That keeps all
# lines of every closed page and dialog in memory: 9 kB for every key of a long session.
_remembered = StylesCache.get_inner_outer
StylesCache.get_inner_outer = getattr(_remembered, "__wrapped__", _remembered)  # type: ignore[method-assign]

# The place where a text is cut is cached with the whole text, 16,384 times: after a long paste into a field, that is
# tens of kilobytes for each key typed behind it. Lines no longer than a screen is wide may be cached.
LONGEST_KEPT = 200
_kept_cut: Any = vars(Segment)["_split_cells"].__func__
_cut = _kept_cut.__wrapped__


def _split_cells(cls: type[Segment], segment: Segment, cut: int) -> tuple[Segment, Segment]:
    cells: tuple[Segment, Segment] = (_kept_cut if len(segment.text) <= LONGEST_KEPT else _cut)(cls, segment, cut)
    return cells


setattr(Segment, "_split_cells", classmethod(_split_cells))  # noqa: B010 - it is a private one of Rich's


def _changed_cells(update: ChopsUpdate, console: Console) -> str:
    """The output for spans of rows: only the cells of these spans.

    Textual's own begins each at the left end of its widget, so that the label is sent with its figure, and writes every
    style in full.
    """
    written: list[str] = []
    pen = Pen(console._color_system)
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            start, stop = max(x, first), min(end, last)
            if strip is not None and start < stop:
                written.append(Control.move_to(start, y).segment.text)
                # a strip keeps every crop of itself, with seven caches each
                *_, cells = Segment.divide(strip, (start - x, stop - x))
                written.extend(map(pen.write, cells))
    written.append(pen.lift())
    return "".join(written)


setattr(ChopsUpdate, "render_segments", _changed_cells)  # noqa: B010 - its first argument is named otherwise
