"""What this machine is like right now, with a docker that answers what a test says."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.launch.conftest import planned
from wizard_tui.launch.look import look
from wizard_tui.launch.machine import free_port, is_taken
from wizard_tui.launch.preflight import preflight

DOCKER = """#!/bin/sh
case "$1" in
  info) {info} ;;
  image) exit {image} ;;
esac
"""


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_this_machine_can_be_looked_at(port: int) -> None:
    response, _ = planned(port)
    machine = look(response)
    assert machine.port_taken is False
    assert machine.free_port is None
    assert machine.hub_problem is None
    assert machine.open_files is not None
    assert machine.processes is not None
    assert machine.cache_free_bytes
    assert machine.docker_problem == "", "docker was not asked about"


def test_a_port_that_is_taken_has_a_free_neighbour(port: int) -> None:
    response, _ = planned(port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert is_taken("127.0.0.1", port)
        machine = look(response)
        assert machine.port_taken is True
        assert machine.free_port == free_port("127.0.0.1", port)
        assert machine.free_port is not None
        check = next(check for check in preflight(machine, response) if check.name == "port")
        assert f"set port to {machine.free_port}" in check.cure
        with socket.socket() as other:
            other.bind(("127.0.0.1", machine.free_port))
    assert not is_taken("127.0.0.1", port)


@pytest.mark.parametrize(
    ("info", "image", "version", "problem", "runtimes", "present"),
    [
        ("echo 28.1.1 nvidia runc", 0, "28.1.1", "", ("nvidia", "runc"), True),
        ("echo 28.1.1 runc", 1, "28.1.1", "", ("runc",), False),
        ("echo permission denied >&2; exit 1", 0, None, "permission denied", (), None),
        ("exit 1", 0, None, "the docker daemon does not answer", (), None),
    ],
)
def test_docker_tells_its_version_and_runtimes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int, info: str, image: int, version: str | None,
    problem: str, runtimes: tuple[str, ...], present: bool | None,
) -> None:  # fmt: skip
    (tmp_path / "docker").write_text(DOCKER.format(info=info, image=image))
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    machine = look(planned(port)[0], "docker")
    assert (machine.docker, machine.docker_problem) == (version, problem)
    assert (machine.docker_runtimes, machine.image_present) == (runtimes, present)


def test_a_missing_docker_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look(planned(port)[0], "docker").docker_problem == "docker is not installed"
