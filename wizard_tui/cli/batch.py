"""Many plans in one run: requests in JSON lines, responses in JSON lines."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from wizard_tui.cli.inputs import opened_lines
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.planner import plan
from wizard_tui.resolve import resolve
from wizard_tui.schemas.errors import one_sentence
from wizard_tui.schemas.inputs import PlanRequest

LINE_LIMIT = 1 << 20
MODELS_AT_HAND = 64


def plan_lines(source: Path) -> int:
    """Answer each line of `source` (`-`: stdin) with one line on stdout; the exit code, 2 when a request was wrong.

    A wrong request is answered by `{"error": sentence}`, so that answers stay beside their questions. A model that many
    lines name is read once.
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
            except (ValueError, OSError) as error:
                sentence = one_sentence(error) if isinstance(error, ValidationError) else str(error)
                answer = json.dumps({"error": sentence})
                sys.stderr.write(f"vllm-wizard-tui: line {number}: {sentence}\n")
                code = 2
            sys.stdout.write(answer + "\n")
    return code


def _request(line: str) -> PlanRequest:
    if len(line) > LINE_LIMIT:
        raise ValueError(f"the line is longer than {LINE_LIMIT >> 20} MiB, which no request is")
    return PlanRequest.model_validate_json(line)
