"""What a type checker says of a user's program that imports the package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wizard_tui

ROOT = Path(__file__).parent.parent
PROGRAM = """\
import wizard_tui
from wizard_tui import HardwareInput, ModelInput, PlanRequest, PolicyInput, WorkloadInput, run_plan

asked = PlanRequest(
    model=ModelInput(model="a/b"), hardware=HardwareInput(), workload=WorkloadInput(), policy=PolicyInput()
)
response = run_plan(asked)
fits: bool = response.feasibility.fits
response.nonsense
wizard_tui.nonsense
"""
LINES = PROGRAM.splitlines()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """What mypy says, by line: first of PROGRAM, then of one line for each public name."""
    program = tmp_path_factory.mktemp("user") / "program.py"
    asked = "".join(f"reveal_type(wizard_tui.{name})\n" for name in wizard_tui.__all__)
    program.write_text(PROGRAM + asked, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache" / "user", program.name],
        cwd=program.parent,
        env=os.environ | {"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = re.findall(r"^program\.py:(\d+): (.*)$", done.stdout, re.MULTILINE)
    return {int(number): message for number, message in lines}


def test_what_is_not_there_is_an_error(said: dict[int, str]) -> None:
    errors = {number: message for number, message in said.items() if message.startswith("error")}
    assert errors == {
        LINES.index("response.nonsense") + 1: 'error: "PlanResponse" has no attribute "nonsense"  [attr-defined]',
        LINES.index("wizard_tui.nonsense") + 1: 'error: Module has no attribute "nonsense"  [attr-defined]',
    }


def test_every_public_name_has_a_type(said: dict[int, str]) -> None:
    first = len(LINES) + 1
    types = {name: said.get(first + place, "") for place, name in enumerate(wizard_tui.__all__)}
    unknown = {name: told for name, told in types.items() if not told or told == 'note: Revealed type is "Any"'}
    assert unknown == {}
    assert types["run_plan"] == (
        'note: Revealed type is "def (request: wizard_tui.schemas.inputs.PlanRequest) -> '
        'wizard_tui.schemas.outputs.PlanResponse"'
    )
