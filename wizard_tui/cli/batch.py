"""Many plans in one run: requests in JSON lines, responses in JSON lines."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from wizard_tui.cli.inputs import opened_lines
from wizard_tui.errors import Refusal, fault
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.planner import plan
from wizard_tui.resolver import resolve
from wizard_tui.schemas.errors import one_sentence
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.secrets import without_secrets_in

# sysexits.h: EX_SOFTWARE
WRONG, FAULT = 2, 70
LINE_LIMIT = 1 << 20
MODELS_AT_HAND = 64


def plan_lines(source: Path) -> int:
    """Answer each line of `source` (`-`: stdin) with one line on stdout; the exit code, 2 when a request was wrong and
    `FAULT` when this program failed.

    A request without a plan is answered by `{"error": sentence}`, so that answers stay beside their questions. A model
    that many lines name is read once.
    """
    code = 0
    load = lru_cache(maxsize=MODELS_AT_HAND)(load_model_metadata)
    with opened_lines(source, LINE_LIMIT) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                request = _request(line)
                answer = plan(request, resolve(request, load)).model_dump_json()
            except Exception as error:
                sentence, worse = _said(error)
                answer = json.dumps({"error": sentence})
                sys.stderr.write(f"vllm-wizard-tui: line {number}: {sentence}\n")
                code = max(code, worse)
            sys.stdout.write(answer + "\n")
    return code


def _said(error: Exception) -> tuple[str, int]:
    """The answer to a line without a plan, and its exit code."""
    if isinstance(error, ValidationError):
        return one_sentence(error), WRONG
    if isinstance(error, (Refusal, OSError)):
        return without_secrets_in(str(error)), WRONG
    return fault(error, "there is no plan"), FAULT


def _request(line: str) -> PlanRequest:
    if len(line) > LINE_LIMIT:
        raise Refusal(f"the line is longer than {LINE_LIMIT >> 20} MiB, which no request is")
    return PlanRequest.model_validate_json(line)
