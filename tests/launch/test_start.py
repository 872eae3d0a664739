"""Starting a server and recording it, with a program that stands in for vLLM."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.launch.conftest import planned
from wizard_tui.launch import ways
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start


def test_a_server_that_cannot_be_recorded_is_not_left_running(
    stand_in: Callable[..., None], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in()
    _, launch = planned(port)
    kept: list[Record] = []

    def full(record: Record) -> None:
        kept.append(record)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(records, "keep", full)
    with pytest.raises(ways.LaunchError, match="the server cannot be started: No space left on device"):
        start(launch, "process", records)
    assert len(kept) == 1
    assert not ways.is_running(kept[0])


def test_a_key_that_is_not_set_is_asked_for(records: Records, port: int) -> None:
    _, launch = planned(port, policy={"api_key_env": "NOT_SET_ANYWHERE"})
    with pytest.raises(ways.LaunchError, match="NOT_SET_ANYWHERE is not set"):
        start(launch, "process", records)


def test_several_machines_are_not_started_from_here(records: Records, port: int) -> None:
    _, launch = planned(port, hardware={"nodes": 2})
    with pytest.raises(ways.LaunchError, match="several machines"):
        start(launch, "process", records)


def test_the_request_is_kept_as_it_was_set(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port, workload={"concurrency": 3})
    record = start(launch, "process", records)
    stored: dict[str, Any] = json.loads(record.log_path.with_suffix(".json").read_text())
    assert stored["request"]["workload"] == {"concurrency": 3}
    ways.stop(record)


@pytest.mark.parametrize("host", ["a b", "[zz]", "999.1.1.1", "--help;", "é"])
def test_a_host_that_is_no_address_is_not_started(
    stand_in: Callable[..., None], records: Records, port: int, host: str
) -> None:
    stand_in()
    _, launch = planned(port, policy={"host": host})
    with pytest.raises(ways.LaunchError, match=r"is no address to listen on; set host to one like 127\.0\.0\.1"):
        start(launch, "process", records)
    assert not records.folder.exists()


def test_a_folder_that_others_may_write_is_said(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    records.folder.mkdir()
    records.folder.chmod(0o777)
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match=r"cannot be started: .* may be written by others"):
        start(launch, "process", records)
