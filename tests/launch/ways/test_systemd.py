"""A server as a user unit, with programs that stand in for systemd."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.launch.conftest import planned
from wizard_tui.launch import process, ways
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start


def test_a_user_unit_logs_to_our_file(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk-planted")
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = start(replace(launch, environ=os.environ), "systemd", records)
    (call,) = recorder()
    assert call[0] == "systemd-run"
    assert f"StandardOutput=append:{record.log}" in call
    assert "--setenv=VLLM_API_KEY" in call
    assert not any("planted" in word for word in call)
    assert call[call.index("--") + 2 : call.index("--") + 4] == ["serve", launch.config.model]
    assert ways.is_running(record)
    ways.stop(record)
    unit = f"{record.log_path.stem}.service"
    assert f"--unit={unit}" in call, "a name that no other unit has"
    assert ["systemctl", "--user", "is-active", "--", unit] in recorder()
    assert ["systemctl", "--user", "stop", "--", unit] in recorder()


def test_a_refusal_is_said_in_its_own_words(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_SAYS", "Failed to connect to bus: No medium found")
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="systemd-run refused: Failed to connect to bus"):
        start(replace(launch, environ=os.environ), "systemd", records)
    assert records.all() == []


def test_a_unit_owns_what_its_processes_listen_on(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), "systemd", records)
    asked: list[str] = []
    pids = [os.getpid()]

    def members(path: str) -> list[int]:
        asked.append(path)
        return pids

    monkeypatch.setattr(process, "in_control_group", members)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert ways.owns_port(record) is None, "systemd tells of no control group"
        monkeypatch.setenv("RECORDER_GROUP", f"/user.slice/{record.unit}")
        assert ways.owns_port(record) is True
        pids.clear()
        assert ways.owns_port(record) is False
    assert asked == [f"/user.slice/{record.unit}"] * 2
