"""`doctor`, `launch`, `servers` and `calibration`, with a program that stands in for vLLM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Run, wait_for
from wizard_tui.hardware.observed import Observation, Observations
from wizard_tui.launch import ways
from wizard_tui.launch.records import Records

SMALL = ("--gpu", "H100 80GB", "--force", "-c", "2", "--prompt-tokens", "40", "--gen-tokens", "8")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory of its own, and no server left behind."""
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield folder
    for record in Records().all():
        ways.stop(record)


def test_doctor_looks_at_the_machine(run: Run, stand_in: Callable[..., None]) -> None:
    stand_in()
    ran = run("doctor", "--json")
    told = json.loads(ran.out)
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert states["vLLM"] != "bad"
    assert told["ok"] is (ran.code == 0) is ("bad" not in states.values())


def test_doctor_of_a_plan_says_what_stops_it(run: Run, models: Path, stand_in: Callable[..., None], port: int) -> None:
    stand_in()
    ran = run("doctor", "-m", models / "llama-8b", "--gpu", "H100 80GB", "--port", str(port))
    assert f"{port} is free" in ran.out
    # there is no GPU where the tests run, or it is no H100
    assert ran.code in (0, 1)
    assert run("doctor", "--way", "ufo").err.startswith("vllm-wizard-tui: --way takes one of process, docker")


def test_launch_refuses_what_would_not_come_up(
    run: Run, models: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ran = run("launch", "-m", models / "llama-8b", "--gpu", "H100 80GB", "--port", str(port))
    assert ran.code == 2
    assert "vllm is not on the PATH" in ran.err
    assert "nothing was started" in ran.err
    assert Records().all() == []


def test_launch_detach_servers_and_stop(run: Run, models: Path, stand_in: Callable[..., None], port: int) -> None:
    stand_in(tokens=16000)
    ran = run("launch", "-m", models / "llama-8b", *SMALL, "--port", str(port), "--detach", "--load")
    assert ran.code == 0, ran.err
    assert "ready after" in ran.err
    assert "GPU KV cache size" in ran.out
    assert "answered: w0 w1" in ran.out
    assert "Output of all users" in ran.out
    assert "to plan with this: --measured-toks-per-s" in ran.out
    assert "Output of one user" in ran.out or "TTFT" in ran.out
    (server,) = json.loads(run("servers", "--json").out)
    assert server["base_url"] == f"http://127.0.0.1:{port}"
    assert "llama-8b" in run("servers").out
    assert "Application startup complete" in run("servers", "log", server["name"]).out
    assert len(list(Path(server["log"]).parent.glob("*.results.jsonl"))) == 1
    assert run("servers", "stop", "nobody").code == 2
    assert run("servers", "stop", server["name"]).code == 0
    assert "no server" in run("servers").out


def test_a_failed_start_is_explained(run: Run, models: Path, stand_in: Callable[..., None], port: int) -> None:
    stand_in(fail=["ValueError: No available memory for the cache blocks. Try increasing"])
    ran = run("launch", "-m", models / "llama-8b", *SMALL, "--port", str(port))
    assert ran.code == 1
    assert "it ended: weights, activations and CUDA graphs leave nothing" in ran.err
    assert "--gpu-memory-utilization 0.95" in ran.err
    assert "No available memory" in ran.err
    assert Records().all() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_server_ends_with_the_command_that_stays_with_it(
    models: Path, stand_in: Callable[..., None], port: int, tmp_path: Path, number: signal.Signals
) -> None:
    stand_in()
    said = tmp_path / "said"
    words = [sys.executable, "-m", "wizard_tui", "launch", "-m", str(models / "llama-8b"), *SMALL, "--port", str(port)]
    with said.open("w") as output:
        child = subprocess.Popen(words, stdout=output, stderr=output, env=os.environ)
        wait_for(lambda: "ctrl+c stops it" in said.read_text(), 40)
        (record,) = Records().all()
        child.send_signal(number)
        assert child.wait(30) == 130, said.read_text()
    assert not ways.is_running(record)
    assert Records().all() == []


def test_calibration_is_shown_and_cleared(run: Run) -> None:
    assert "nothing was observed" in run("calibration", "show").out
    Observations().add(Observation("H100", "0.33.0", "a/b", "TP 1", 1 << 29, "2026-11-24T00:00:00+00:00"))
    assert "+0.50 GiB" in run("calibration", "show").out
    assert json.loads(run("calibration", "show", "--json").out)[0]["model"] == "a/b"
    assert run("calibration", "clear").out == "1 observations removed\n"
    assert Observations().all() == ()
