"""`detect` on machines with and without GPUs."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Run
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Detection:
    gpu = get_gpu_by_name("RTX 4090")
    found = Detection((gpu, gpu), ("a [bold]problem[/bold]",), "580.65.06", "13.0")
    monkeypatch.setattr("wizard_tui.hardware.detect.detect", lambda: found)
    return found


def test_people_read_a_table(run: Run, box: Detection) -> None:
    ran = run("detect")
    assert ran.code == 0
    assert ran.out.count("NVIDIA GeForce RTX 4090") == 2
    assert "driver 580.65.06, CUDA 13.0" in ran.out
    assert "a [bold]problem[/bold]" in ran.out, "nothing is taken for markup"


def test_programs_read_json(run: Run, box: Detection) -> None:
    found = json.loads(run("detect", "--json").out)
    assert [gpu["name"] for gpu in found["gpus"]] == ["NVIDIA GeForce RTX 4090"] * 2
    assert found["gpus"][0]["total_bytes"] == box.gpus[0].total_bytes


def test_no_gpu_is_no_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard_tui.hardware.detect.detect", lambda: Detection(problems=("there is no driver",)))
    ran = run("detect")
    assert ran.code == 0
    assert "there is no driver" in ran.out
