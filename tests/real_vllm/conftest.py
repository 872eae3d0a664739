"""A vLLM that runs on a CPU, and a model that it serves in seconds.

VLLM_PYTHON names an interpreter that has vLLM installed (install.sh makes one).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from wizard_tui.launch import ways
from wizard_tui.launch.records import Records

MODEL_SCRIPT = Path(__file__).with_name("tiny_model.py")


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter with vLLM."""
    named = os.environ.get("VLLM_PYTHON")
    if not named:
        pytest.skip("VLLM_PYTHON names no interpreter with vLLM")
    return Path(named)


@pytest.fixture(scope="session")
def model(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the tiny model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    subprocess.run([str(python), str(MODEL_SCRIPT), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(autouse=True)
def machine(python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """vLLM on the PATH, a state directory of its own, and no server left behind."""
    monkeypatch.setenv("PATH", f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("VLLM_NO_USAGE_STATS", "1")
    yield
    for record in Records().all():
        ways.stop(record)
