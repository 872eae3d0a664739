"""The figures in the documents: accuracy tables in README.md and docs/memory-model.md, plots beside the latter.

    python -m tools.docs

All of them are computed from the facts in tests/data, so that a document never says what the planner does not do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tools.accuracy import formula_left_gib, of_log, planned, report, rows
from wizard_tui.engine.versions import rules_for
from wizard_tui.planning.decide import decide
from wizard_tui.planning.estimate import MemoryEstimate
from wizard_tui.schemas.numbers import gib

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "docs/memory-model.md")
PLOTS = ROOT / "docs" / "plots"

WIDTH, LEFT, RIGHT, ROW = 860, 340, 30, 19
NEW, OLD, PLAIN = "#0b6e4f", "#b5651d", "#8a8f98"
PARTS = {
    "weights": "#355c7d",
    "activations": "#c06c84",
    "non-torch": "#f67280",
    "graphs": "#f8b195",
    "KV cache": "#99b898",
    "outside": "#dcdfe3",
}


@dataclass(frozen=True)
class Server:
    """A server with a public start-up log, and the planner's figures for it."""

    row: Mapping[str, Any]
    estimate: MemoryEstimate

    @property
    def name(self) -> str:
        """Model, card, number of cards and version."""
        gpu = self.estimate.gpu.name.removeprefix("NVIDIA ").removeprefix("GeForce ").split(" 80GB")[0]
        cards = f"{self.row['tp']} x {gpu}" if self.row["tp"] > 1 else gpu
        model = self.row["model"].partition("/")[2].replace("-Instruct", "").replace("-quantized", "")
        return f"{model}, {cards}, {self.row['version']}"

    @property
    def colour(self) -> str:
        """By the model runner, which changed with 0.29."""
        return NEW if rules_for(self.row["version"]).model_runner_v2 else OLD


def servers() -> list[Server]:
    """The logs, oldest version first."""
    found = [Server(row, decide(*of_log(row)).estimate) for row in rows("startup_logs.jsonl")]
    return sorted(found, key=lambda server: (server.colour == NEW, server.name))


class Plot:
    """One SVG, row by row from the top."""

    def __init__(self, title: str, low: float, high: float, unit: str, ticks: Sequence[float]) -> None:
        self._low, self._high, self._unit, self._ticks = low, high, unit, ticks
        self._marks: list[str] = []
        self._y = self._bottom = 30
        self.text(10, 20, title, weight="bold")

    def x(self, value: float) -> float:
        """Where a value lies; values beyond the scale lie at its end."""
        inside = min(max(value, self._low), self._high)
        return LEFT + (inside - self._low) / (self._high - self._low) * (WIDTH - LEFT - RIGHT)

    def text(self, x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> None:
        """Words at a place."""
        self._marks.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
        )

    def row(self, name: str) -> float:
        """The next row with its name; its middle."""
        self._y = self._bottom = self._y + ROW
        self.text(LEFT - 10, self._y + 4, name, anchor="end")
        return self._y

    def line(self, low: float, high: float, y: float, colour: str) -> None:
        """A band."""
        self._marks.append(
            f'<line x1="{self.x(low):.1f}" x2="{self.x(high):.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="5" stroke-opacity="0.3" stroke-linecap="round"/>'
        )

    def dot(self, value: float, y: float, colour: str, *, hollow: bool = False) -> None:
        """A value."""
        fill = "none" if hollow else colour
        self._marks.append(f'<circle cx="{self.x(value):.1f}" cy="{y}" r="3.5" fill="{fill}" stroke="{colour}"/>')

    def bar(self, start: float, end: float, y: float, colour: str) -> None:
        """A part of a stacked bar."""
        width = self.x(end) - self.x(start)
        self._marks.append(
            f'<rect x="{self.x(start):.1f}" y="{y - 6}" width="{width:.1f}" height="11" fill="{colour}"/>'
        )

    def legend(self, entries: Iterable[tuple[str, str]]) -> None:
        """What the colours mean, below the scale."""
        self._y += 2 * ROW
        x = LEFT
        for words, colour in entries:
            self._marks.append(f'<rect x="{x}" y="{self._y - 2}" width="11" height="11" fill="{colour}"/>')
            self.text(x + 16, self._y + 8, words)
            x += 32 + 7 * len(words)

    def svg(self) -> str:
        """The picture."""
        grid = [
            f'<line x1="{self.x(tick):.1f}" x2="{self.x(tick):.1f}" y1="34" y2="{self._bottom + 10}" stroke="#e3e5e8"/>'
            f'<text x="{self.x(tick):.1f}" y="{self._bottom + 24}" text-anchor="middle">{tick:g}</text>'
            for tick in self._ticks
        ]
        self.text(WIDTH - RIGHT, 20, self._unit, anchor="end")
        height = self._y + 34
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
                'font-size="12" fill="#24292f">',
                f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
                *grid,
                *self._marks,
                "</svg>\n",
            ]
        )


def available(found: Sequence[Server]) -> str:
    """Predicted less printed "Available KV cache memory", with the band around the prediction."""
    plot = Plot("Available KV cache memory: predicted less printed", -3, 3, "GiB", (-3, -2, -1, 0, 1, 2, 3))
    for server in (one for one in found if "available_kv_gib" in one.row):
        result, printed = server.estimate, server.row["available_kv_gib"]
        y = plot.row(server.name)
        plot.line(gib(result.kv_low) - printed, gib(result.kv_high) - printed, y, server.colour)
        plot.dot(formula_left_gib(server.row, planned(server.row).memory) - printed, y, PLAIN, hollow=True)
        plot.dot(gib(result.kv_available) - printed, y, server.colour)
    plot.legend((("since 0.29, with band", NEW), ("before", OLD), ("formulas alone (hollow)", PLAIN)))
    return plot.svg()


def terms(found: Sequence[Server]) -> str:
    """The error of each term of the budget."""
    plot = Plot("Each term: predicted less printed", -1.5, 1.5, "GiB", (-1.5, -1, -0.5, 0, 0.5, 1, 1.5))
    for words, printed, predicted in _terms():
        for colour, age in ((OLD, "before 0.29"), (NEW, "since 0.29")):
            errors = [
                predicted(one.estimate) - printed(one.row)
                for one in found
                if one.colour == colour and printed(one.row) is not None
            ]
            y = plot.row(f"{words}, {age} ({len(errors)})")
            for error in errors:
                plot.dot(error, y, colour)
    return plot.svg()


def _terms() -> Iterator[tuple[str, Any, Any]]:
    def both(row: Mapping[str, Any]) -> float | None:
        return row["peak_gib"] + row["non_torch_gib"] if {"peak_gib", "non_torch_gib"} <= set(row) else None

    yield "weights", lambda row: row.get("weights_gib"), lambda result: gib(result.weights.bytes)
    yield (
        "activations and non-torch",
        both,
        lambda result: gib(result.overhead.activation_peak + result.overhead.non_torch),
    )
    yield "graphs", lambda row: row.get("graph_estimate_gib"), lambda result: gib(result.overhead.cuda_graphs)
    yield "available KV cache", lambda row: row.get("available_kv_gib"), lambda result: gib(result.kv_available)


def parts(found: Sequence[Server]) -> str:
    """Where the memory of one GPU goes, as predicted and as printed."""
    plot = Plot("Memory of one GPU: predicted above, printed below", 0, 80, "GiB", range(0, 81, 10))
    complete = [one for one in found if one.colour == NEW and {"peak_gib", "available_kv_gib"} <= set(one.row)]
    for server in complete:
        row, result = server.row, server.estimate
        rest, total = result.overhead, gib(result.gpu.total_bytes)
        ours = (result.weights.bytes, rest.activation_peak, rest.non_torch, rest.budgeted_graphs, result.kv_available)
        printed = (row[f"{name}_gib"] for name in ("weights", "peak", "non_torch", "graph_estimate", "available_kv"))
        _stack(plot, plot.row(server.name), [gib(size) for size in ours], total)
        _stack(plot, plot.row(""), list(printed), total)
    plot.legend(PARTS.items())
    return plot.svg()


def _stack(plot: Plot, y: float, sizes: Sequence[float], total: float) -> None:
    start = 0.0
    for size, colour in zip([*sizes, total - sum(sizes)], PARTS.values(), strict=True):
        plot.bar(start, start + size, y, colour)
        start += size


def plots() -> dict[str, str]:
    """Every plot by its file name."""
    found = servers()
    return {"available.svg": available(found), "terms.svg": terms(found), "parts.svg": parts(found)}


def with_table(document: str, table: str) -> str:
    """The document with its accuracy table replaced by this one."""
    return re.sub(r"\| figure .*?\n(?!\|)", lambda _: table, document, count=1, flags=re.DOTALL)


def main() -> None:
    table = report().partition("\n\n")[0] + "\n"
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(with_table(path.read_text(encoding="utf-8"), table), encoding="utf-8")
    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, svg in plots().items():
        (PLOTS / name).write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
