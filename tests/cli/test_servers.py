"""`doctor`, `launch`, `servers` and `calibration`, with a program that stands in for vLLM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Run, wait_for
from tests.launch.conftest import ECHO, answering, stranger
from wizard_tui.hardware.observed import Observation, Observations
from wizard_tui.launch import ways
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.ways import programs

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
    # the machine that runs the tests has no GPU, or not an H100
    assert ran.code in (0, 1)
    assert run("doctor", "--way", "ufo").err.startswith("vllm-wizard-tui: --way takes one of process, docker")


def test_launch_refuses_a_server_that_would_not_start(
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


@pytest.mark.parametrize("command", [("servers", "stop"), ("servers", "log"), ("doctor", "--way")])
@pytest.mark.parametrize("typed", [f"hf_{'q' * 34}", f"https://me:{'q' * 34}@hf.co/a/b"])
def test_an_unknown_name_is_quoted_without_its_secret(run: Run, command: tuple[str, ...], typed: str) -> None:
    ran = run(*command, typed)
    assert ran.code == 2
    assert "qqq" not in ran.err + ran.out
    assert "***" in ran.err or "https://hf.co/a/b" in ran.err


def test_calibration_is_shown_and_cleared(run: Run) -> None:
    assert "nothing was observed" in run("calibration", "show").out
    Observations().add(Observation("H100", "0.33.0", "a/b", "TP 1", 1 << 29, "2026-11-24T00:00:00+00:00"))
    assert "+0.50 GiB" in run("calibration", "show").out
    assert json.loads(run("calibration", "show", "--json").out)[0]["model"] == "a/b"
    assert run("calibration", "clear").out == "1 observations removed\n"
    assert Observations().all() == ()


def test_a_server_whose_port_is_anothers_is_not_ready(
    models: Path, stand_in: Callable[..., None], port: int, tmp_path: Path
) -> None:
    stand_in(deaf=True)
    said = tmp_path / "said"
    words = [sys.executable, "-m", "wizard_tui", "launch", "-m", str(models / "llama-8b"), *SMALL, "--port", str(port)]
    sentence = f"not ready: another program answers on port {port}; end it, or stop this server\n"
    with said.open("w") as output, answering(port):
        child = subprocess.Popen(words, stdout=output, stderr=output, env=os.environ)
        wait_for(lambda: sentence in said.read_text(), 40)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130, said.read_text()
    assert said.read_text().count(sentence) == 1
    assert "ready after" not in said.read_text()


def test_a_bad_record_is_named_and_the_server_beside_it_works(
    run: Run, models: Path, stand_in: Callable[..., None], port: int, state: Path
) -> None:
    stand_in()
    ran = run("launch", "-m", models / "llama-8b", *SMALL, "--port", str(port), "--detach")
    assert ran.code == 0, ran.err
    (record,) = Records().all()
    bad = {
        "later.json": {"version": 2, "way": "kubernetes"},
        "way.json": {**asdict(record), "way": "nonsense", "log": str(record.log_path.with_name("way.log"))},
        "handle.json": {**asdict(record), "handle": "none", "log": str(record.log_path.with_name("handle.log"))},
    }
    for name, data in bad.items():
        (record.log_path.parent / name).write_text(json.dumps(data))

    def named(said: str) -> bool:
        lines = said.splitlines()
        return len(lines) == 3 and all(any(name in line for line in lines) for name in bad)

    listed = run("servers", "--json")
    assert (listed.code, [server["name"] for server in json.loads(listed.out)]) == (0, [record.name])
    assert named(listed.err)
    told = run("servers", "log", record.name)
    assert (told.code, named(told.err)) == (0, True)
    assert "Application startup complete" in told.out
    stopped = run("servers", "stop", record.name)
    assert (stopped.code, named(stopped.err)) == (0, True)
    assert not ways.is_running(record)
    assert {path.name for path in record.log_path.parent.glob("*.json")} == set(bad), "they stay for who can read them"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part, max_size=3),
    max_leaves=6,
)
LOG = "FOLDER/vllm-a-0.log"
HANDLES = {
    "process": ("OTHER", ""),
    "docker": ("FOLDER/vllm-a-0.id", "OTHER"),
    "compose": ("FOLDER/vllm-a-0.compose.yaml", "OTHER"),
    "systemd": ("vllm-a-0.service", ""),
}
WRITTEN = [
    {**asdict(Record("vllm-a", way, handle, LOG, "http://127.0.0.1:9", 1.0, {}, client=client)), "version": 1}
    for way, (handle, client) in HANDLES.items()
]
NAMED = ["OTHER", "1:1", "0:0", "-1:5", "--all", "--no-block", "/x.compose.yaml", "ufo", "http://[zz]:9", 10**400, 2]
CHANGES = st.dictionaries(st.sampled_from(sorted(WRITTEN[0])), st.sampled_from(NAMED) | JSON, max_size=2)
# any JSON, and records as they are written with parts that are anything else
RECORDS = JSON | st.builds(lambda written, changes: {**written, **changes}, st.sampled_from(WRITTEN), CHANGES)


def test_no_record_makes_servers_fail_or_signal_a_process_that_is_not_ours(
    run: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = state / "vllm-wizard-tui" / "servers"
    folder.mkdir(parents=True, mode=0o700)
    called: list[list[str]] = []
    signalled: list[object] = []

    def asked(arguments: list[str], seconds: float = 0.0) -> str:
        called.append(arguments)
        return "true" if "inspect" in arguments else "active"

    monkeypatch.setattr(programs, "asked", asked)
    monkeypatch.setattr(os, "kill", lambda *told: signalled.append(told))
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda *told: signalled.append(told))
    counted: set[str] = set()

    with stranger(ECHO) as other:
        # a pid that another process had before
        stale = f"{other.child.pid}:{other.started - 1}"

        @settings(max_examples=300, derandomize=True, database=None, deadline=None)
        @given(RECORDS)
        def holds(record: Any) -> None:
            text = json.dumps(record).replace("FOLDER", str(folder)).replace("OTHER", stale)
            (folder / "vllm-a-0.id").write_text("0" * 64)
            (folder / "vllm-a-0.json").write_text(text)
            (folder / "vllm-a-0.json").chmod(0o600)
            counted.update(kept.way for kept in Records().all())
            assert run("servers", "--json").code == 0
            assert run("servers", "stop", "vllm-a").code in (0, 2)

        holds()
        assert other.answers
    assert counted == set(ways.WAYS) == set(HANDLES), "some of them count"
    assert signalled == []
    assert {words[0] for words in called} == {"docker", "systemctl"}
    for words in called:
        assert not {"--all", "--no-block", "/x.compose.yaml"} & {part for word in words for part in word.split("=")}
