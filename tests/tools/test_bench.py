"""The benchmark asks what it says, and every name in it is one that the planner knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools import bench
from tools.bench_core import questions
from wizard_tui.schemas.inputs import PlanRequest


def test_the_sweep_is_of_a_thousand_different_requests() -> None:
    asked = [PlanRequest.model_validate(question) for question in questions([f"/m/{n}" for n in range(5)])]
    assert len(set(asked)) == 1000


def test_the_core_is_timed_in_a_process_of_its_own(tmp_path: Path) -> None:
    folders = bench.checkpoints(tmp_path)
    assert len(folders) == 5
    done = subprocess.run(
        [sys.executable, bench.ROOT / "tools" / "bench_core.py", "wizard_tui", *folders],
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout)
    assert set(figures) == {"import", "run_plan", "sweep"}
    assert all(value > 0 for value in figures.values())
