"""Starting and stopping a server by each way, with programs that stand in for vLLM, docker and systemd."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROGRAMS, wait_for
from tests.launch.conftest import planned
from wizard_tui.launch import ways
from wizard_tui.launch.client import Client
from wizard_tui.launch.records import Records

# says what it was called with, and answers what the test says
RECORDER = """#!/bin/sh
printf '%s\\n' "$0" "$@" '--end--' >> "$CALLS"
case "$*" in
  *State.Running*) echo true ;;
  *is-active*) echo active ;;
  "rm --force"*) rm -f "$CALLS.up" ;;
esac
exit ${RECORDER_EXIT:-0}
"""


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """docker, systemd-run and systemctl that write down their arguments; gives the calls so far."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "systemd-run", "systemctl"):
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}")

    def so_far() -> list[list[str]]:
        text = calls.read_text() if calls.exists() else ""
        return [[Path(words[0]).name, *words[1:]] for part in text.split("--end--\n") if (words := part.splitlines())]

    return so_far


def test_a_process_runs_serves_and_stops(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port)
    record = ways.start(launch, "process", records)
    client = Client(record.base_url)
    wait_for(client.is_healthy)
    assert ways.is_running(record)
    assert records.all() == [record]
    assert record.base_url == f"http://127.0.0.1:{port}"
    assert ways.stop(record)
    assert not ways.is_running(record)
    assert not client.is_healthy()
    client.close()


def test_the_api_key_goes_by_the_environment_alone(
    stand_in: Callable[..., None], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted-secret")
    stand_in(environment=["VLLM_API_KEY", "CUDA_VISIBLE_DEVICES"])
    _, launch = planned(port, policy={"api_key_env": "MY_KEY"}, hardware={"gpu": "auto"})
    record = ways.start(launch, "process", records)
    wait_for(lambda: "environment" in record.log_path.read_text())
    assert "environment: VLLM_API_KEY" in record.log_path.read_text()
    pid = record.handle.partition(":")[0]
    assert b"planted" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    written = b"".join(path.read_bytes() for path in records.folder.iterdir())
    assert b"planted" not in written
    ways.stop(record)


def test_a_key_that_is_not_set_is_asked_for(records: Records, port: int) -> None:
    _, launch = planned(port, policy={"api_key_env": "NOT_SET_ANYWHERE"})
    with pytest.raises(ways.LaunchError, match="NOT_SET_ANYWHERE is not set"):
        ways.start(launch, "process", records)


def test_without_vllm_the_cure_is_named(records: Records, port: int, tmp_path: Path) -> None:
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="pip install vllm"):
        ways.start(replace(launch, environ={"PATH": str(tmp_path)}), "process", records)


def test_a_container_is_started_by_arguments(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/data/my cache; rm -rf /")
    monkeypatch.setenv("KEY", "sk-planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = ways.start(replace(launch, environ=os.environ), "docker", records)
    wait_for(lambda: len(recorder()) >= 2)
    run = next(call for call in recorder() if call[1] == "run")
    assert run[run.index("--name") + 1] == record.handle == "vllm-llama-8b"
    # one argument, whatever is in it
    assert "/data/my cache; rm -rf /:/root/.cache/huggingface" in run
    assert run[run.index("--publish") + 1] == f"127.0.0.1:{port}:{port}" or f"127.0.0.1:{port}" in " ".join(run)
    assert not any("planted" in word for call in recorder() for word in call)
    assert ["docker", "logs", "--follow", "vllm-llama-8b"] in recorder()
    assert ways.is_running(record)
    ways.stop(record)
    assert ["docker", "rm", "--force", "vllm-llama-8b"] in recorder()


def test_compose_gets_a_file(recorder: Callable[[], list[list[str]]], records: Records, port: int) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), "compose", records)
    wait_for(lambda: len(recorder()) >= 2)
    assert ["docker", "compose", "--file", record.handle, "up", "--detach"] in recorder()
    assert "vllm" in Path(record.handle).read_text()
    ways.stop(record)
    assert ["docker", "compose", "--file", record.handle, "down", "--timeout", "30"] in recorder()


def test_a_user_unit_logs_to_our_file(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk-planted")
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = ways.start(replace(launch, environ=os.environ), "systemd", records)
    (call,) = recorder()
    assert call[0] == "systemd-run"
    assert f"StandardOutput=append:{record.log}" in call
    assert "--setenv=VLLM_API_KEY" in call
    assert not any("planted" in word for word in call)
    assert call[call.index("--") + 2 : call.index("--") + 4] == ["serve", launch.config.model]
    assert ways.is_running(record)
    ways.stop(record)
    assert ["systemctl", "--user", "stop", "vllm-llama-8b.service"] in recorder()


def test_a_refusal_is_said_in_its_own_words(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_EXIT", "125")
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="docker refused: exit code 125"):
        ways.start(replace(launch, environ=os.environ), "docker", records)
    assert records.all() == []


@pytest.mark.parametrize("way", ["docker", "compose", "systemd"])
def test_a_program_that_is_missing_is_named(way: str, records: Records, port: int, tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text("#!/bin/sh\n")
    (tmp_path / "vllm").chmod(0o755)
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="is not installed here"):
        ways.start(replace(launch, environ={"PATH": str(tmp_path)}), way, records)


def test_several_machines_are_not_started_from_here(records: Records, port: int) -> None:
    _, launch = planned(port, hardware={"nodes": 2})
    with pytest.raises(ways.LaunchError, match="several machines"):
        ways.start(launch, "process", records)


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:9"), ("::1", "http://[::1]:9"), ("box.lan", "http://box.lan:9")],
)
def test_where_a_server_is_asked(host: str, url: str) -> None:
    _, launch = planned(9, policy={"host": host})
    assert launch.base_url == url


def test_the_request_is_kept_as_it_was_set(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port, workload={"concurrency": 3})
    record = ways.start(launch, "process", records)
    stored: dict[str, Any] = json.loads(record.log_path.with_suffix(".json").read_text())
    assert stored["request"]["workload"] == {"concurrency": 3}
    ways.stop(record)
