"""The Launch step in lines: checks, stages, predicted and real figures, why it ended."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from wizard_tui.launch.checks import Check
from wizard_tui.launch.launcher import Launcher
from wizard_tui.launch.verify import Row
from wizard_tui.launch.watch import ENDED, READY, Watch
from wizard_tui.tui.session import Session
from wizard_tui.tui.widgets.line_view import Line, wrapped

BAR = 20
NUMBER = 10
FIGURES = 2 * NUMBER + 20
"""Columns of a table's figures: two numbers, unit, difference and verdict."""

TABLE_COLUMNS = FIGURES + 25
"""With the longest name of a figure."""

_MARKS = {"ok": ("ok  ", "good"), "warn": ("warn", "warn"), "bad": ("BAD ", "bad")}
_STAGE_MARKS = {"done": ("[x]", "good"), "now": ("[>]", "accent"), "later": ("[ ]", "dim")}

VerdictWith = Callable[[Mapping[str, Mapping[str, Any]]], str]


def facts(launcher: Launcher, session: Session, columns: int) -> list[Line]:
    """What is known of the machine or, when there is one, of the server: blocks with a blank line between them."""
    watch = launcher.watch
    if watch is None:
        blocks = [_checks(launcher.checks, columns)]
    else:
        blocks = [
            _ending(watch, columns, session.verdict_with) if watch.state == ENDED else [],
            _table("Memory", launcher.rows, "printed", columns) if launcher.rows else [],
            _answer(launcher, columns),
            _load_run(launcher, columns),
        ]
    lines: list[Line] = []
    for block in filter(None, [*blocks, _learnt(session, columns)]):
        lines += [(("", ""),), *block] if lines else block
    return lines


def _answer(launcher: Launcher, columns: int) -> list[Line]:
    if (answer := launcher.answer) is None:
        return []
    said = wrapped(answer.text.strip() or "(no text)", columns, style="dim", mark=("> ", "dim"), rows=3)
    return [*_table("Smoke test", launcher.answer_rows, "measured", columns), *said]


def _load_run(launcher: Launcher, columns: int) -> list[Line]:
    if not (launcher.points or launcher.result_rows):
        return []
    lines = _table("Load run", launcher.result_rows, "measured", columns)
    if launcher.result is None:
        last = launcher.points[-1]
        lines.append(((f"{last.done} done, {last.toks_per_s:,.0f} tok/s in the last seconds", ""),))
    else:
        lines.append((("m", "key"), (" plans with these figures", "dim")))
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


def keys_line(launcher: Launcher) -> Line:
    """The keys that do something now."""
    keys: list[tuple[str, str]] = []
    if launcher.is_ready:
        keys += [("t", "test"), ("l", "load run")]
    if launcher.runs:
        keys += [("x", "stop")]
    else:
        keys += [("s", "start anyway" if launcher.forced else "start"), ("w", "way"), ("c", "check")]
        if launcher.watch is not None and (failure := launcher.watch.failure) is not None and failure.patch:
            keys += [("p", "cure")]
    if launcher.watch is not None:
        keys += [("/", "search"), ("f", "follow")]
    spans = [span for key, word in keys for span in ((key, "key"), (f" {word}  ", ""))]
    return tuple(spans)


def _learnt(session: Session, columns: int) -> list[Line]:
    """By how much starts on this machine correct the plan on screen."""
    plan = session.plan if session.observed else None
    if plan is None or not (seen := plan.decision.estimate.observed).starts:
        return []
    said = f" {seen.more_bytes / 2**30:+.2f} GiB in this plan by what {seen.starts} start(s) here showed; u forgets it"
    return wrapped(said, columns, style="dim", mark=("u", "key"), indent="  ")


def _checks(checks: list[Check], columns: int) -> list[Line]:
    lines: list[Line] = []
    # obstacles come first: a small screen shows no more
    for check in sorted(checks, key=lambda check: list(_MARKS).index(check.state), reverse=True):
        mark, style = _MARKS[check.state]
        tone = "" if check.state != "ok" else "dim"
        lines.extend(
            wrapped(f"{check.name}: {check.found}", columns, style=tone, mark=(f"{mark} ", style), indent=" " * 5)
        )
        if check.cure:
            lines.extend(wrapped(check.cure, columns, mark=("     -> ", "key"), indent=" " * 8))
    return lines or [(("", ""),)]


def stage_lines(launcher: Launcher, *, brief: bool) -> list[Line]:
    """The stages of the start; in brief, those of a server that is ready in one line."""
    watch = launcher.watch
    if watch is None:
        return []
    stages = watch.stages()
    if brief and watch.state == READY:
        took = ", ".join(f"{stage.name} {stage.detail}" for stage in stages if stage.detail)
        return [(("[x]", "good"), (" every stage is done", ""), (f": {took}" if took else "", "dim"))]
    lines: list[Line] = []
    for stage in stages:
        mark, style = _STAGE_MARKS[stage.state]
        if watch.state == ENDED and stage.state == "now":
            mark, style = "[!]", "bad"
        bar = ""
        if stage.share is not None:
            full = round(BAR * min(1.0, stage.share))
            bar = f" {'#' * full}{'-' * (BAR - full)}"
        tone = "dim" if stage.state == "later" else ""
        lines.append(((mark, style), (f" {stage.name:<9}{bar}", tone)))
        if stage.detail and stage.share is None:
            lines[-1] += ((f" {stage.detail}", "dim"),)
        elif stage.detail:
            # beneath its bar, where there is no room beside it
            lines.append((("    ", ""), (stage.detail, "")))
    return lines


def _ending(watch: Watch, columns: int, verdict_with: VerdictWith) -> list[Line]:
    if watch.stopped_by_user:
        return []
    failure = watch.failure
    if failure is None:
        return wrapped("it ended without a reason that is known here; the log tells more", columns, style="bad")
    lines: list[Line] = []
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


def _table(title: str, rows: list[Row], came: str, columns: int) -> list[Line]:
    """Predicted figures beside the real ones, with the difference and whether it lies in the band."""
    if not rows:
        return [((title, "accent"),)]
    widest = max(len(title), *(len(row.name) for row in rows))
    name_width = min(widest, columns - FIGURES)
    heads = f"{'predicted':>{NUMBER}}{came:>{NUMBER}}"
    lines: list[Line] = [((f"{title[:name_width]:<{name_width}}", "accent"), (heads, "dim"))]
    for row in rows:
        digits = 0 if row.unit == "tokens" or row.actual >= 1000 else 2
        figures = f"{row.predicted:>{NUMBER},.{digits}f}{row.actual:>{NUMBER},.{digits}f} {row.unit:<7}"
        style, word = ("good", "ok") if row.inside else ("bad", "OUT")
        share = "      " if math.isinf(row.relative) else f"{100 * row.relative:+6.1f}"
        name = f"{row.name[:name_width]:<{name_width}}"
        lines.append(((name, ""), (figures, "value"), (f"{share} % ", "dim"), (word, style)))
    return lines
