"""A server as a process, with a program that stands in for vLLM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.launch.conftest import planned
from wizard_tui.launch import ways
from wizard_tui.launch.client import Client
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start


def test_a_process_runs_serves_and_stops(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port)
    record = start(launch, "process", records)
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
    record = start(launch, "process", records)
    wait_for(lambda: "environment" in record.log_path.read_text())
    assert "environment: VLLM_API_KEY" in record.log_path.read_text()
    pid = record.handle.partition(":")[0]
    assert b"planted" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    written = b"".join(path.read_bytes() for path in records.folder.iterdir())
    assert b"planted" not in written
    ways.stop(record)


def test_without_vllm_the_cure_is_named(records: Records, port: int, tmp_path: Path) -> None:
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="pip install vllm"):
        start(replace(launch, environ={"PATH": str(tmp_path)}), "process", records)


def test_a_process_owns_the_port_it_listens_on(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port)
    record = start(launch, "process", records)
    client = Client(record.base_url)
    wait_for(client.is_healthy)
    client.close()
    assert ways.owns_port(record) is True
    ways.stop(record)
    assert ways.owns_port(record) is False
