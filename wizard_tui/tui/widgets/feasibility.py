"""The verdict, vLLM's own figures with their band, and up to three suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

if TYPE_CHECKING:
    from wizard_tui.schemas.outputs import PlanResponse, Range

SUGGESTIONS = 3
# F4 takes the first suggestion
FIRST_KEY = 3
# changes below a hundredth of a GiB or a per cent are not said
WORTH_SAYING = 0.01

_MARKS = {"low": ("OK", "good"), "medium": ("TIGHT", "warn"), "high": ("NO", "bad")}


class FeasibilityPanel(LineView):
    """Says in words whether it fits. The height stays the same, so that nothing below it jumps."""

    HEIGHT = 13

    def show_waiting(self, sentence: str) -> None:
        """No plan yet: say what is missing."""
        self._pad([(("", ""),), *_wrapped("…", "dim", sentence, self._columns)])

    def show_plan(self, response: PlanResponse, previous: PlanResponse | None, stale: str | None) -> None:
        """Draw a plan; `previous` is the one before the last edit, `stale` says why this is not the plan of what is
        typed."""
        report = response.feasibility
        mark, style = _MARKS[report.oom_risk if report.fits else "high"]
        lines: list[Line] = []
        if stale is not None:
            lines.extend(_wrapped("!", "warn", f"not applied: {stale}", self._columns, rows=2))
            style = "dim"
        lines.extend(_wrapped(mark, style, report.verdict, self._columns, rows=3))
        lines.extend(_figures(response, previous or response, "dim" if stale else ""))
        for number, suggestion in enumerate(report.suggestions[:SUGGESTIONS], 1):
            lines.append(((f"F{number + FIRST_KEY} ", "key"), (_cut(suggestion.title, self._columns - 3), "")))
        for warning in report.warnings:
            lines.extend(_wrapped("-", "warn", warning, self._columns, rows=2))
        self._pad(lines)

    @property
    def _columns(self) -> int:
        return max(30, self.size.width)

    def _pad(self, lines: list[Line]) -> None:
        blank: Line = (("", ""),)
        self.show((lines + [blank] * self.HEIGHT)[: self.HEIGHT])


def _figures(response: PlanResponse, previous: PlanResponse, style: str) -> list[Line]:
    cache, memory, speed = response.kv_cache, response.memory, response.performance
    moved = gib(memory.kv_available - previous.memory.kv_available)
    before = previous.kv_cache.max_concurrency
    moved_by = f"{moved:+.2f}" if abs(moved) >= WORTH_SAYING else ""
    factor = cache.max_concurrency / before - 1 if before else 0.0
    low, high = cache.tokens_range
    kv_low, kv_high = (gib(size) for size in memory.kv_available_range)
    rows = (
        ("Available KV cache memory", f"{gib(memory.kv_available):.2f} GiB ({kv_low:.2f} to {kv_high:.2f})", moved_by),
        ("GPU KV cache size", f"{cache.tokens:,} tokens ({low:,} to {high:,})", ""),
        (
            "Maximum concurrency",
            f"{cache.max_concurrency:.2f}x",
            f"{factor:+.0%}" if abs(factor) >= WORTH_SAYING else "",
        ),
        ("Output of all users", f"{_range(speed.decode_toks_per_s_range)} tok/s", ""),
        ("TTFT, TPOT", f"{_range(speed.ttft_ms_range)} ms, {_range(speed.tpot_ms_range)} ms", ""),
    )
    # few spans: each costs some thirty bytes over the line
    return [
        ((f"{name:<27}", "dim"), (value, style), *([(f"  {change}", "changed")] if change else []))
        for name, value, change in rows
    ]


def _range(bounds: Range) -> str:
    low, high = bounds
    digits = 0 if high >= 20 else 1
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def _wrapped(mark: str, style: str, text: str, columns: int, rows: int = 4) -> list[Line]:
    tone = style if style in ("bad", "dim") else ""
    return wrapped(text, columns, style=tone, mark=(f"{mark} ", style), indent=" " * (len(mark) + 1), rows=rows)


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"
