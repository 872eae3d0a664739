"""What the operating system tells of the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from wizard_tui.hardware import host


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    assert host.system_memory(tmp_path) is None
    assert host.container_memory_limit(tmp_path) is None
    assert host.accelerators_on_bus(tmp_path) == frozenset()
    assert host.numa_node("00000000:01:00.0", tmp_path) is None
    assert host.process_name(1, tmp_path) is None


def test_memory_of_the_system(tmp_path: Path) -> None:
    meminfo = tmp_path / "proc" / "meminfo"
    meminfo.parent.mkdir()
    meminfo.write_text("MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\nHugePages: 0\n")
    assert host.system_memory(tmp_path) == (1000 * 1024, 600 * 1024)


@pytest.mark.parametrize("place", ["memory.max", "memory/memory.limit_in_bytes"])
def test_memory_limit_of_either_version_of_control_groups(tmp_path: Path, place: str) -> None:
    file = tmp_path / "sys/fs/cgroup" / place
    file.parent.mkdir(parents=True)
    file.write_text("1073741824\n")
    assert host.container_memory_limit(tmp_path) == 1 << 30


@pytest.mark.parametrize(
    ("name", "held", "phrase"),
    [
        ("/opt/venv/bin/python3", 20 << 30, "python3 (pid 7, 20.0 GiB)"),
        ("python3", 300 << 20, "python3 (pid 7, 300 MiB)"),
        ("python3", None, "python3 (pid 7)"),
        (None, None, "a process of another user or container (pid 7)"),
        ("", 0, "a process of another user or container (pid 7)"),
        ("a\x1b]0;title\x07\nb", None, "a]0;titleb (pid 7)"),
    ],
)
def test_a_process_as_a_phrase(name: str | None, held: int | None, phrase: str) -> None:
    assert host.holder(7, name, held) == phrase
