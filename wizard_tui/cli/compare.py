"""A start-up log beside the plan of the same server."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from wizard_tui.cli.inputs import opened_lines
from wizard_tui.cli.options import Asked, words_of
from wizard_tui.cli.parser import UsageError
from wizard_tui.errors import Refusal
from wizard_tui.hardware.observed import Observations
from wizard_tui.launch.calibrate import observation
from wizard_tui.launch.failures import Failure, StartReader
from wizard_tui.launch.startup_log import LINE_LIMIT, StartupLog
from wizard_tui.launch.verify import Row, compare, request_from_log
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.planner import make_plan
from wizard_tui.resolver import resolve
from wizard_tui.schemas.errors import one_sentence

LONGEST_START = 1 << 26
"""Characters; a log in which no server is ready by then does not show a start."""


def verify_log(path: Path, asked: Asked, *, as_json: bool, keep: bool) -> int:
    """Print predicted and printed figures, and why a start failed; the exit code, 1 for a failure or when a figure
    lies outside its band. With `keep` the next plan on this machine is corrected by what the log shows."""
    reader = StartReader()
    log = reader.log
    with opened_lines(path, LINE_LIMIT, most=LONGEST_START) as lines:
        for line in lines:
            reader.feed(line)
            if log.ready:
                # the rest may be many GiB, or not be written yet
                break
    try:
        request = request_from_log(log, asked.file_sections(), asked.option_sections())
        facts = resolve(request)
        decision, response = make_plan(request, facts)
        rows = compare(response, log)
    except ValidationError as error:
        raise UsageError(one_sentence(error)) from None
    except (Refusal, OSError) as error:
        # a start that failed early names neither model nor memory, but the cause
        if not log.ready and (failure := reader.failure()) is not None and not as_json:
            sys.stderr.write(failure_lines(failure))
            return 1
        raise UsageError(str(error)) from None
    failure = None if log.ready else reader.failure(decision)
    if not rows and failure is None:
        raise UsageError(f"{path} has no line in which vLLM tells of its memory; give the whole log of its start")
    outside = [row.name for row in rows if not row.inside]
    if as_json:
        found = {
            "request": request.model_dump(mode="json", exclude_unset=True),
            "figures": [_figure(row) for row in rows],
            "failure": asdict(failure) if failure is not None else None,
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write(figure_table(rows, "printed"))
        if rows:
            verdict = f"outside its band: {', '.join(outside)}" if outside else "every figure lies in its band"
            sys.stdout.write(verdict + "\n")
        if failure is not None:
            sys.stderr.write(failure_lines(failure))
    if keep:
        _keep(decision, log)
    return 1 if outside or failure is not None else 0


def _keep(decision: Decision, log: StartupLog) -> None:
    seen = observation(decision, log)
    if seen is None:
        raise UsageError("nothing was kept: --keep takes the log of a server on this machine's own GPUs")
    try:
        Observations().add(seen)
    except OSError as error:
        raise UsageError(f"the calibration cannot be kept: {error.strerror or error}") from None
    sys.stderr.write(f"kept as calibration of this machine: {seen.more_bytes / 2**30:+.2f} GiB\n")


def _figure(row: Row) -> dict[str, object]:
    return {
        "name": row.name, "unit": row.unit, "predicted": row.predicted, "range": [row.low, row.high],
        "actual": row.actual, "difference": row.difference, "inside": row.inside,
    }  # fmt: skip


def figure_table(rows: Sequence[Row], came: str) -> str:
    """Predicted figures with their band beside the measured ones; empty without rows."""
    if not rows:
        return ""
    band = [" to ".join(_number(bound, row) for bound in (row.low, row.high)) for row in rows]
    width = max(map(len, band))
    lines = [f"{'':<26}{'predicted':>10}  {'80 % band':<{width}}{came:>11} {'':<6}  difference"]
    for row, bounds in zip(rows, band, strict=True):
        figures = f"{_number(row.predicted, row):>10}  {bounds:<{width}}{_number(row.actual, row):>11} {row.unit:<6}"
        mark = "" if row.inside else "  OUTSIDE"
        lines.append(f"{row.name:<26}{figures}{100 * row.relative:+10.1f} %{mark}")
    return "".join(f"{line}\n" for line in lines)


def _number(value: float, row: Row) -> str:
    return f"{value:,.{0 if row.unit == 'tokens' else 2}f}"


def failure_lines(failure: Failure) -> str:
    """Cause, evidence, and the change that cures it."""
    lines = [f"it ended: {failure.cause}", f"  log: {failure.evidence}"]
    if failure.patch:
        lines.append(f"  to cure it: {words_of(failure.patch)}")
    return "".join(f"{line}\n" for line in lines)
