"""The verdict, vLLM's own figures with their band, and up to three suggestions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Click, Line, LineView, cut, wrapped

if TYPE_CHECKING:
    from wizard_tui.schemas.outputs import PlanResponse, Range

VERDICT_ROWS = 2
SUGGESTIONS = 3
EMPTY: Line = (("", ""),)
# F4 takes the first suggestion
FIRST_KEY = 3
# changes below a hundredth of a GiB or a per cent are not shown
WORTH_SAYING = 0.01
# from here on per cents are no longer read at a glance
MANY_TIMES = 10
NO_SPEED = "-"
# vLLM's own words need this much room, else shorter ones are used
ROOMY = 60

_BADGES = {"low": ("OK", "good"), "medium": ("TIGHT", "warn"), "high": ("NO", "bad")}


def badge_of(response: PlanResponse) -> tuple[str, str]:
    """The verdict in a word, and its style."""
    report = response.feasibility
    return _BADGES[report.oom_risk if report.fits else "high"]


class FeasibilityPanel(LineView):
    """Says in words whether it fits. The height stays the same, so that nothing below it jumps."""

    HEIGHT = 13

    def show_waiting(self, sentence: str) -> None:
        """No plan yet: say what is missing."""
        self._pad(_wrapped("…", "dim", sentence, self._columns))

    def show_plan(self, response: PlanResponse, previous: PlanResponse | None, stale: str | None) -> None:
        """Draw a plan; `previous` is the one before the last edit, `stale` says why this is not the plan of what is
        typed."""
        report = response.feasibility
        columns = self._columns
        word, style = badge_of(response)
        lines: list[Line] = []
        if stale is not None:
            lines.extend(_wrapped("!", "warn", f"not applied: {stale}", columns, rows=1))
            style = "dim"
        tone = style if style in ("bad", "dim") else "strong"
        room = VERDICT_ROWS - len(lines)
        said = wrapped(report.verdict, columns, style=tone, mark=(" ", tone), indent=" " * (len(word) + 3), rows=room)
        lines += [((f" {word} ", f"{style}-badge"), *said[0]), *said[1:]]
        # lines beneath keep their place when the verdict changes
        lines += [EMPTY] * (VERDICT_ROWS - len(lines))
        lines.extend(_figures(response, previous or response, roomy=columns >= ROOMY))
        clicks: dict[int, list[Click]] = {}
        for number, suggestion in enumerate(report.suggestions[:SUGGESTIONS]):
            clicks[len(lines)] = [(columns, f"screen.take({number})")]
            key = f"F{number + 1 + FIRST_KEY} "
            lines.append(((key, "key"), (cut(suggestion.title, columns - len(key)), "")))
        for warning in report.warnings:
            lines.extend(_wrapped("-", "warn", warning, columns, rows=2))
        self._pad(lines, clicks)

    @property
    def _columns(self) -> int:
        return max(30, self.size.width)

    def _pad(self, lines: list[Line], clicks: dict[int, list[Click]] | None = None) -> None:
        """As many lines as there is room for, no matter how many there are; what is left out stands on Review."""
        rows = min(self.HEIGHT, self.size.height or self.HEIGHT)
        if len(lines) > rows:
            lines = [*lines[: rows - 1], (("… more on Review", "dim"),)]
        self.show([*lines, *[EMPTY] * (rows - len(lines))], clicks)


def _figures(response: PlanResponse, previous: PlanResponse, *, roomy: bool) -> list[Line]:
    cache, memory, speed = response.kv_cache, response.memory, response.performance
    moved = gib(memory.kv_available - previous.memory.kv_available)
    times = _times(response, previous)
    low, high = cache.tokens_range
    kv_low, kv_high = (gib(size) for size in memory.kv_available_range)
    # a plan that holds not even one request does not start, and has no speed
    runs = response.feasibility.fits or cache.max_concurrency >= 1
    output, ttft, tpot = speed.decode_toks_per_s_range, speed.ttft_ms_range, speed.tpot_ms_range
    rows = (
        (
            "Available KV cache memory",
            "KV cache",
            f"{gib(memory.kv_available):.2f} GiB ({kv_low:.2f} to {kv_high:.2f})",
            f"{moved:+.2f} GiB" if abs(moved) >= WORTH_SAYING else "",
        ),
        ("GPU KV cache size", "in tokens", f"{cache.tokens:,}{' tokens' if roomy else ''} ({low:,} to {high:,})", ""),
        (
            "Maximum concurrency",
            "concurrency",
            f"{cache.max_concurrency:.2f}x",
            _change(times) if abs(times - 1) >= WORTH_SAYING else "",
        ),
        ("Output of all users", "output", f"{_range(output)} tok/s" if runs else NO_SPEED, ""),
        ("TTFT, TPOT", "TTFT, TPOT", f"{_range(ttft)} ms, {_range(tpot)} ms" if runs else NO_SPEED, ""),
    )
    # few spans: each costs some thirty bytes over the line
    return [
        (
            (f"{name:<26}" if roomy else f"{short:<12}", "dim"),
            (value, ""),
            *([(f"  {change}", "changed")] if change else []),
        )
        for name, short, value, change in rows
    ]


def _times(response: PlanResponse, previous: PlanResponse) -> float:
    """Requests that all replicas hold, as a multiple of those of `previous`; 1 when their length differs."""
    before = _concurrency(previous)
    same_length = response.kv_cache.max_model_len == previous.kv_cache.max_model_len
    return _concurrency(response) / before if same_length and before else 1.0


def _concurrency(response: PlanResponse) -> float:
    return response.kv_cache.max_concurrency * (response.config.data_parallel_size or 1)


def _change(times: float) -> str:
    return f"{100 * (times - 1):+.0f} %" if times < MANY_TIMES else f"{times:,.0f} times"


def _range(bounds: Range) -> str:
    low, high = bounds
    digits = 0 if high >= 20 else 1
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def _wrapped(mark: str, style: str, text: str, columns: int, rows: int = 4) -> list[Line]:
    tone = style if style in ("bad", "dim") else ""
    return wrapped(text, columns, style=tone, mark=(f"{mark} ", style), indent=" " * (len(mark) + 1), rows=rows)
