"""Plans that can be started, and records in a directory of their own."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.gpu import GPU
from wizard_tui.launch.failures import StartReader
from wizard_tui.launch.records import Records
from wizard_tui.launch.ways import Launch
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.outputs import PlanResponse


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Records in a directory of their own; what still runs at the end is ended."""
    from wizard_tui.launch import ways

    kept = Records(tmp_path / "servers")
    yield kept
    for record in kept.all():
        ways.stop(record)


def planned(port: int, gpus: tuple[GPU, ...] | None = None, **sections: Any) -> tuple[PlanResponse, Launch]:
    """A plan of a small server, on an H100 or on given GPUs, and what starts it."""
    policy = {"port": port, **sections.pop("policy", {})}
    asked = request(policy=policy, **sections)
    response = plan(asked, facts() if gpus is None else replace(facts(), gpus=gpus))
    return response, Launch(response.config, asked, os.environ)


def started(lines: Iterable[str]) -> StartReader:
    """What a server's lines tell."""
    reader = StartReader()
    for line in lines:
        reader.feed(line)
    return reader
