"""A start-up log beside the plan of that very server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic import ValidationError

from wizard_tui.cli.inputs import opened_lines
from wizard_tui.cli.options import Asked, UsageError
from wizard_tui.launch.failures import FailureReader
from wizard_tui.launch.startup_log import LINE_LIMIT, StartupLog
from wizard_tui.launch.verify import Row, compare, request_from_log
from wizard_tui.planning.planner import run_plan
from wizard_tui.schemas.errors import one_sentence


def verify_log(path: Path, asked: Asked, *, as_json: bool) -> int:
    """Print predicted and printed figures; the exit code, 1 when one lies outside its band."""
    log, endings = StartupLog(), FailureReader()
    with opened_lines(path, LINE_LIMIT) as lines:
        for line in lines:
            log.feed(line)
            endings.feed(line, log.stage)
    try:
        request = request_from_log(log, asked.file_sections(), asked.option_sections())
        response = run_plan(request)
    except ValidationError as error:
        raise UsageError(one_sentence(error)) from None
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    rows = compare(response, log)
    failure = None if log.ready else endings.failure(response, log.values.get("version"))
    if failure is not None:
        from wizard_tui.cli.servers import failure_lines

        sys.stderr.write(failure_lines(failure))
        if not rows:
            return 1
    if not rows:
        raise UsageError(f"{path} has no line in which vLLM tells of its memory; give the whole log of its start")
    outside = [row.name for row in rows if not row.inside]
    if as_json:
        figures = [
            {"name": row.name, "unit": row.unit, "predicted": row.predicted, "range": [row.low, row.high],
             "actual": row.actual, "inside": row.inside}
            for row in rows
        ]  # fmt: skip
        found = {"request": request.model_dump(mode="json", exclude_unset=True), "figures": figures}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("".join(figure_line(row) for row in rows))
        verdict = f"outside its band: {', '.join(outside)}" if outside else "every figure lies in its band"
        sys.stdout.write(verdict + "\n")
    return 1 if outside or failure is not None else 0


def figure_line(row: Row) -> str:
    """One figure, predicted and printed."""
    digits = 0 if row.unit == "tokens" else 2
    predicted, low, high, actual = (f"{n:,.{digits}f}" for n in (row.predicted, row.low, row.high, row.actual))
    mark = "" if row.inside else "  OUTSIDE"
    figures = f"predicted {predicted:>10} ({low} to {high})  vLLM {actual:>10} {row.unit}"
    return f"{row.name:<26} {figures}  {100 * row.relative:+.1f} %{mark}\n"
