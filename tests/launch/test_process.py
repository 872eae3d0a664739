"""Processes that outlive this one: found again, and ended as a group."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.launch.conftest import ECHO, stranger
from wizard_tui.launch import process

QUICK = ((signal.SIGINT, 0.4), (signal.SIGTERM, 0.4), (signal.SIGKILL, 5.0))
STUBBORN = """
import signal, subprocess, sys, time
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
code = "import signal, time\\nfor n in (2, 15): signal.signal(n, 1)\\ntime.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code])
print("child", child.pid, flush=True)
time.sleep(60)
"""


def started(tmp_path: Path, code: str) -> tuple[str, Path]:
    log = tmp_path / "log"
    return process.start([sys.executable, "-c", code], log, os.environ), log


def test_output_goes_to_the_log_and_the_session_is_its_own(tmp_path: Path) -> None:
    handle, log = started(tmp_path, "import os, time; print(os.getsid(0) == os.getpid(), flush=True); time.sleep(60)")
    wait_for(lambda: log.read_text())
    assert log.read_text() == "True\n"
    assert process.is_running(handle)
    assert process.stop(handle, log, QUICK)
    assert not process.is_running(handle)


def test_a_program_that_listens_ends_by_sigint(tmp_path: Path) -> None:
    code = (
        "import time\nprint('up', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('bye', flush=True)"
    )
    handle, log = started(tmp_path, code)
    wait_for(lambda: "up" in log.read_text())
    assert process.stop(handle, log)
    assert log.read_text().split() == ["up", "bye"]


def test_one_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    handle, log = started(tmp_path, STUBBORN)
    wait_for(lambda: "child" in log.read_text())
    child = int(log.read_text().split()[1])
    assert process.stop(handle, log, QUICK)
    state = Path(f"/proc/{child}/stat")
    # gone, or a zombie that its new parent has not reaped yet
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_pid_that_was_given_to_another_is_not_ours(tmp_path: Path) -> None:
    handle, log = started(tmp_path, "import time; time.sleep(60)")
    pid = handle.partition(":")[0]
    assert not process.is_running(f"{pid}:1")
    process.stop(handle, log, QUICK)


def test_a_process_that_has_ended_needs_no_stopping(tmp_path: Path) -> None:
    handle, log = started(tmp_path, "pass")
    wait_for(lambda: not process.is_running(handle))
    assert process.stop(handle, log)


def test_a_missing_program_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        process.start(["/no/such/program"], tmp_path / "log", os.environ)


def test_it_outlives_the_one_that_started_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = (
        "import sys, os; from pathlib import Path; from wizard_tui.launch import process;"
        f"print(process.start([sys.executable, '-c', 'import time; time.sleep(60)'], Path({str(log)!r}), os.environ))"
    )
    handle = subprocess.check_output([sys.executable, "-c", code], text=True).strip()
    assert process.is_running(handle)
    assert process.stop(handle, log, QUICK)


@pytest.mark.parametrize(
    "handle", ["", "x", "1", "2:x", "../../etc", "0:1", "1:1", "-5:1", "02:1", "2:1\n", "２:1", " 2:1", "99999999:1"]
)
def test_a_text_that_is_not_a_handle_is_refused(handle: str, tmp_path: Path) -> None:
    assert not process.is_handle(handle)
    with pytest.raises(ValueError, match="no handle"):
        process.is_running(handle)
    with pytest.raises(ValueError, match="no handle"):
        process.stop(handle, tmp_path / "log", QUICK)


# an echo whose parent, the first process of the session, has ended
ORPHAN = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', sys.argv[1]])"


@pytest.mark.parametrize("later", [-1, 1])
def test_a_pid_that_was_given_to_another_gets_no_signal(tmp_path: Path, later: int) -> None:
    log = tmp_path / "log"
    # even where it writes to the log of the server that is gone
    with log.open("a") as file, stranger(ECHO, errors=file) as other:
        handle = f"{other.child.pid}:{other.started + later}"
        assert not process.is_running(handle)
        assert process.members(handle, log) == []
        assert process.stop(handle, log, QUICK), "nothing of ours is left"
        assert other.answers


def test_a_process_that_leads_no_session_was_not_started_here(tmp_path: Path) -> None:
    with stranger(ECHO, session=False) as other:
        handle = f"{other.child.pid}:{other.started}"
        assert not process.is_running(handle)
        assert process.stop(handle, tmp_path / "log", QUICK)
        assert other.answers


def test_a_later_session_of_the_same_number_gets_no_signal(tmp_path: Path) -> None:
    """Its first process has ended, as ours did, so nothing shows when it began."""
    log = tmp_path / "log"
    log.touch()
    with stranger(ORPHAN, ECHO) as other:
        other.child.wait()
        assert process.stop(f"{other.child.pid}:1", log, QUICK)
        assert other.answers


def test_workers_that_their_server_left_behind_are_ended(tmp_path: Path) -> None:
    handle, log = started(tmp_path, f"import subprocess, sys\nsys.argv = ['', {LEFT_BEHIND!r}]\n{ORPHAN}")
    wait_for(lambda: log.read_text() and not process.is_running(handle))
    assert [one.pid for one in process.members(handle, log)] == [int(log.read_text())]
    pid, _, begun = handle.partition(":")
    assert process.members(f"{pid}:{int(begun) + 1000}", log) == [], "they are older than the server would be"
    assert process.stop(handle, log, QUICK)
    assert process.members(handle, log) == []


LEFT_BEHIND = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


@pytest.fixture(params=["pidfd", "no pidfd in this Python", "no pidfd in this kernel"])
def pidfds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without pidfds."""

    def none(pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if "Python" in request.param:
        monkeypatch.delattr(os, "pidfd_open")
    elif "kernel" in request.param:
        monkeypatch.setattr(os, "pidfd_open", none)


def test_a_process_that_changes_while_it_is_ended_gets_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pidfds: None
) -> None:
    """It was ours when it was listed, and its pid is another's when the signal is sent."""
    with stranger(ECHO) as other:
        before = process.Process(other.child.pid, "S", other.child.pid, other.child.pid, other.started - 1)
        listed = [[before], [before], [before], []]
        monkeypatch.setattr(process, "members", lambda handle, log: listed.pop(0))
        always = tuple((number, 60.0) for number, _ in QUICK)
        assert process.stop(f"{before.pid}:{before.started}", tmp_path / "log", always)
        assert other.answers


def test_it_ends_with_its_workers_by_each_way_to_send_a_signal(tmp_path: Path, pidfds: None) -> None:
    handle, log = started(tmp_path, STUBBORN)
    wait_for(lambda: "child" in log.read_text())
    assert len(process.members(handle, log)) == 2
    assert process.stop(handle, log, QUICK)
    assert process.members(handle, log) == []


def test_a_control_group_has_those_beneath_it_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = "/user.slice/vllm-a.service"
    groups = {10: f"0::{unit}", 11: f"0::{unit}/worker", 12: f"0::{unit}x", 13: f"12:pids:/\n1:name=systemd:{unit}"}
    for pid, text in groups.items():
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "cgroup").write_text(text + "\n")
    monkeypatch.setattr(process, "PROC", tmp_path)
    assert sorted(process.in_control_group(unit)) == [10, 11, 13]


def test_where_the_system_has_no_process_table_nothing_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with stranger(ECHO) as other:
        handle = f"{other.child.pid}:{other.started}"
        monkeypatch.setattr(process, "PROC", tmp_path / "none")
        assert not process.is_running(handle)
        assert process.stop(handle, tmp_path / "log", QUICK)
        assert other.answers
