"""Processes that outlive this one: found again, and ended as a group."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
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
    assert process.stop(handle, QUICK)
    assert not process.is_running(handle)


def test_a_program_that_listens_ends_by_sigint(tmp_path: Path) -> None:
    code = (
        "import time\nprint('up', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('bye', flush=True)"
    )
    handle, log = started(tmp_path, code)
    wait_for(lambda: "up" in log.read_text())
    assert process.stop(handle)
    assert log.read_text().split() == ["up", "bye"]


def test_one_that_does_not_listen_is_killed_with_its_children(tmp_path: Path) -> None:
    handle, log = started(tmp_path, STUBBORN)
    wait_for(lambda: "child" in log.read_text())
    child = int(log.read_text().split()[1])
    assert process.stop(handle, QUICK)
    state = Path(f"/proc/{child}/stat")
    # gone, or a zombie that whoever adopted it has not fetched yet
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_pid_that_was_given_to_another_is_not_ours(tmp_path: Path) -> None:
    handle, _ = started(tmp_path, "import time; time.sleep(60)")
    pid = handle.partition(":")[0]
    assert not process.is_running(f"{pid}:1")
    process.stop(handle, QUICK)


def test_what_has_ended_needs_no_stopping(tmp_path: Path) -> None:
    handle, _ = started(tmp_path, "pass")
    wait_for(lambda: not process.is_running(handle))
    assert process.stop(handle)


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
    assert process.stop(handle, QUICK)


@pytest.mark.parametrize("handle", ["", "x", "1", "1:x", "../../etc"])
def test_a_handle_that_is_none_is_refused(handle: str) -> None:
    with pytest.raises(ValueError, match="no handle"):
        process.is_running(handle)
