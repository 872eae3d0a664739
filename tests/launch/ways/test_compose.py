"""A server by Compose, with a program that stands in for docker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.conftest import wait_for
from tests.launch.conftest import planned
from wizard_tui.launch import ways
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start


def test_compose_gets_a_file(recorder: Callable[[], list[list[str]]], records: Records, port: int) -> None:
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), "compose", records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    (call,) = recorder()
    # not the project of the file that is deployed
    assert call[:3] == ["docker", "compose", "--project-name=vllm-llama-8b-launch"]
    assert call[3:5] == [f"--file={record.handle}", "up"]
    assert 'restart: "no"' in Path(record.handle).read_text()
    assert ways.stop(record)
    assert "INT" in record.log_path.read_text()
