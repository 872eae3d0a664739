"""The Launch step in lines: checks, stages, what was predicted and what came, why it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wizard_tui.launch.preflight import Check
from wizard_tui.launch.verify import Row
from wizard_tui.launch.watch import ENDED, READY, Watch
from wizard_tui.tui.launcher import Launcher
from wizard_tui.tui.widgets.line_view import Line, wrapped

BAR = 20
_MARKS = {"ok": ("ok  ", "good"), "warn": ("warn", "warn"), "bad": ("BAD ", "bad")}
_STAGE_MARKS = {"done": ("[x]", "good"), "now": ("[>]", "accent"), "later": ("[ ]", "dim")}

VerdictWith = Callable[[Mapping[str, Mapping[str, Any]]], str]


def facts(launcher: Launcher, columns: int, verdict_with: VerdictWith) -> list[Line]:
    """What is known of the machine or, when there is one, of the server."""
    watch = launcher.watch
    if watch is None:
        return _checks(launcher.checks, columns)
    lines = _stages(watch)
    if watch.state == ENDED:
        lines += _ending(watch, columns, verdict_with)
    if launcher.rows:
        lines += [(("", ""),), (("Predicted and printed", "accent"),), *_rows(launcher.rows)]
    if launcher.kept is not None:
        said = f"kept for this machine: {launcher.kept.more_bytes / 2**30:+.2f} GiB; the next plan is corrected by it"
        lines.extend(wrapped(said, columns, style="dim", mark=("  ", ""), indent="  "))
    if (answer := launcher.answer) is not None:
        lines += [(("", ""),), (("Smoke test", "accent"),)]
        lines.extend(wrapped(answer.text.strip() or "(no text)", columns, mark=("  ", ""), indent="  ", rows=3))
        lines.append(((f"  first token {answer.ttft_ms:,.0f} ms, then {answer.tpot_ms:,.1f} ms each", "dim"),))
    if launcher.points or launcher.result_rows:
        lines += [(("", ""),), (("Load run", "accent"),)]
    if launcher.points and launcher.result is None:
        last = launcher.points[-1]
        lines.append(((f"  {last.done} done, {last.toks_per_s:,.0f} tok/s in the last seconds", ""),))
    if launcher.result_rows:
        lines += _rows(launcher.result_rows)
        lines.append((("  m", "key"), (" plans with these figures", "dim")))
    return lines


def state_line(launcher: Launcher) -> Line:
    """Which server, how it is, and what is going on."""
    watch = launcher.watch
    busy = f"  {launcher.busy} …" if launcher.busy else ""
    if watch is None or (watch.state == ENDED and not launcher.busy):
        ended = "" if watch is None else f"{watch.record.name} has {'stopped' if watch.stopped_by_user else 'ended'}; "
        return ((f"{ended}start by ", "strong"), (launcher.way, "value"), (busy, "dim"))
    words = {READY: f"ready after {watch.seconds:.0f} s", ENDED: "ended"}.get(
        watch.state, f"starting, {watch.seconds:.0f} s"
    )
    style = "good" if watch.state == READY else "accent"
    return ((f"{watch.record.name} ", "strong"), (f"{words}, {watch.record.base_url}", style), (busy, "dim"))


def keys_line(launcher: Launcher, *, forced: bool) -> Line:
    """The keys that do something now."""
    keys: list[tuple[str, str]] = []
    if launcher.is_ready:
        keys += [("t", "test"), ("l", "load run")]
    if launcher.runs:
        keys += [("x", "stop")]
    else:
        keys += [("s", "start anyway" if forced else "start"), ("w", "way"), ("c", "check")]
        if launcher.watch is not None and (failure := launcher.watch.failure) is not None and failure.patch:
            keys += [("p", "cure")]
    keys += [("/", "search"), ("f", "follow")]
    spans = [span for key, word in keys for span in ((key, "key"), (f" {word}  ", ""))]
    return tuple(spans)


def _checks(checks: list[Check], columns: int) -> list[Line]:
    lines: list[Line] = []
    for check in checks:
        mark, style = _MARKS[check.state]
        tone = "" if check.state != "ok" else "dim"
        lines.extend(
            wrapped(f"{check.name}: {check.found}", columns, style=tone, mark=(f"{mark} ", style), indent=" " * 5)
        )
        if check.cure:
            lines.extend(wrapped(check.cure, columns, mark=("     -> ", "key"), indent=" " * 8))
    return lines or [(("", ""),)]


def _stages(watch: Watch) -> list[Line]:
    lines: list[Line] = []
    for stage in watch.stages():
        mark, style = _STAGE_MARKS[stage.state]
        if watch.state == ENDED and stage.state == "now":
            mark, style = "[!]", "bad"
        bar = ""
        if stage.share is not None:
            full = round(BAR * min(1.0, stage.share))
            bar = f" {'#' * full}{'-' * (BAR - full)}"
        detail = f" {stage.detail}" if stage.detail else ""
        lines.append(((mark, style), (f" {stage.name:<9}{bar}{detail}", "dim" if stage.state == "later" else "")))
    return lines


def _ending(watch: Watch, columns: int, verdict_with: VerdictWith) -> list[Line]:
    if watch.stopped_by_user:
        return []
    failure = watch.failure
    if failure is None:
        return wrapped("it ended without a reason that is known here; the log tells more", columns, style="bad")
    lines: list[Line] = [(("", ""),)]
    lines.extend(wrapped(failure.cause, columns, style="bad", mark=("! ", "bad"), indent="  "))
    lines.extend(wrapped(failure.evidence, columns, style="dim", mark=("  ", ""), indent="  ", rows=4))
    if failure.patch:
        changes = ", ".join(
            f"{name} -> {'auto' if value is None else value}"
            for fields in failure.patch.values()
            for name, value in fields.items()
        )
        lines.append((("p ", "key"), (changes, "strong")))
        lines.extend(wrapped(verdict_with(failure.patch), columns, style="dim", mark=("  ", ""), indent="  "))
    return lines


def _rows(rows: list[Row]) -> list[Line]:
    lines: list[Line] = []
    for row in rows:
        digits = 0 if row.unit == "tokens" or row.actual >= 1000 else 2
        figures = f"{row.predicted:,.{digits}f} -> {row.actual:,.{digits}f} {row.unit}"
        style, word = ("good", "in band") if row.inside else ("bad", "OUTSIDE")
        lines.append(((f"  {row.name}", ""),))
        lines.append(((f"    {figures}  {100 * row.relative:+.1f} %  ", "dim"), (word, style)))
    return lines
