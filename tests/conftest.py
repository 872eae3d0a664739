"""The command line in this process, with models on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.planning.conftest import CONFIGS
from wizard_tui import cli


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_line(*arguments: object) -> Ran:
        code = cli.run([str(part) for part in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_line


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory that holds one model directory for each config of the planner's tests."""
    for name, config in CONFIGS.items():
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
    return tmp_path / "models"
