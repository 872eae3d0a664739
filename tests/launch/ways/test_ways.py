"""What holds for every way to run a server, with programs that stand in for docker and systemd."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.launch.conftest import planned
from wizard_tui.launch import ways
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start
from wizard_tui.launch.ways import WAYS


@pytest.mark.parametrize("way", WAYS)
def test_a_way_accepts_its_own_records_and_none_of_another_way(
    way: str, recorder: Callable[[], list[list[str]]], stand_in: Callable[..., None], records: Records, port: int
) -> None:
    stand_in()
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), way, records)
    assert [name for name, one in WAYS.items() if one.made(record)] == [way]
    assert not WAYS[way].made(replace(record, handle="1:1"))
    assert ways.is_running(record)
    ways.stop(record)


@pytest.mark.parametrize("way", WAYS)
def test_an_unknown_machine_is_not_good_enough(way: str) -> None:
    checks = list(WAYS[way].checks(Machine(), None))
    assert any(check.state == "bad" and check.cure for check in checks)


@pytest.mark.parametrize("way", [name for name in WAYS if name != "process"])
def test_a_program_that_is_missing_is_named(way: str, records: Records, port: int, tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text("#!/bin/sh\n")
    (tmp_path / "vllm").chmod(0o755)
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="is not installed here"):
        start(replace(launch, environ={"PATH": str(tmp_path)}), way, records)
