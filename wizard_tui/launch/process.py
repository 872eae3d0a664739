"""Processes of a server: started in a session of their own, found again by pid and start time, and ended.

Once a process has ended, another may get its pid. So a process gets a signal only after it was shown to be ours, and
where the kernel has them through a pidfd, which cannot reach another process.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wizard_tui.errors import Refusal

PROC = Path("/proc")
# seconds from each signal to the next: vLLM ends its workers on SIGINT, which takes a while with many GPUs
GRACE_S: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 20.0),
    (signal.SIGTERM, 10.0),
    (signal.SIGKILL, 5.0),
)
_POLL_S = 0.1
LAST_BREATH_S = 2.0
# pid 1 is the system's own, and 0 means a whole group
_HANDLE = re.compile(r"([2-9]|[1-9][0-9]{1,6}):([0-9]{1,20})")
_children: dict[str, subprocess.Popen[bytes]] = {}


class Process(NamedTuple):
    """A line of the process table. `started` is in clock ticks since boot; with the pid it names just one process."""

    pid: int
    state: str
    group: int
    session: int
    started: int

    @property
    def lives(self) -> bool:
        """Whether it is still alive: a zombie is not."""
        return self.state not in ("Z", "X")


def start(arguments: Sequence[str], log: Path, environ: Mapping[str, str], folder: Path | None = None) -> str:
    """Start a program that outlives this one and its terminal; its handle. Output is appended to `log`.

    Raises OSError when it cannot be started.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(arguments),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environ),
            cwd=folder,
            start_new_session=True,
        )
    # a program that has ended already is a zombie until it is waited for, and still has a start time
    begun = _process(child.pid)
    handle = f"{child.pid}:{begun.started if begun else 0}"
    _children[handle] = child
    return handle


def is_handle(text: str) -> bool:
    """Whether a text has the form of a handle: `pid:start`, with a pid that a program can have."""
    return _HANDLE.fullmatch(text) is not None


def is_running(handle: str) -> bool:
    """Whether the process of a handle still runs."""
    _reap(handle)
    leader = _leader(handle)
    return leader is not None and leader.lives


def exit_text(handle: str) -> str:
    """How a process that this program started has ended, in words; empty while it runs, and for other processes."""
    child = _children.get(handle)
    if child is None or is_running(handle):
        return ""
    try:
        # it may still be ending its threads
        code = child.wait(LAST_BREATH_S)
    except subprocess.TimeoutExpired:
        return ""
    if code >= 0:
        return f"the process ended with exit code {code}"
    return f"the process was ended by signal {-code} ({signal.Signals(-code).name})"


def members(handle: str, log: Path) -> list[Process]:
    """Living processes of the session that a handle began, oldest first; none unless they are shown to be ours.

    While a session or group has the number of a pid, no other process gets that pid. So if a process with that pid has
    another start time, nothing of ours is left. If no process has it, the session may be a later one of that number
    that lost its first process too, so its processes count only when they write to our log.
    """
    _reap(handle)
    pid, started = _parts(handle)
    leader = _leader(handle)
    if leader is None and _process(pid) is not None:
        return []
    found = [one for entry in PROC.glob("[0-9]*") if (one := _process(int(entry.name))) is not None]
    ours = [one for one in found if one.lives and pid in (one.group, one.session) and one.started >= started]
    if leader is None:
        ours = [one for one in ours if _writes_to(one.pid, log)]
    return sorted(ours, key=lambda one: (one.started, one.pid))


def in_control_group(path: str) -> list[int]:
    """The pids of the processes in a control group, as systemd names it, and in those beneath it."""
    return [int(entry.parent.name) for entry in PROC.glob("[0-9]*/cgroup") if _is_beneath(entry, path)]


def stop(handle: str, log: Path, grace: Sequence[tuple[signal.Signals, float]] = GRACE_S) -> bool:
    """End a server and its workers: SIGINT, then SIGTERM, then SIGKILL, each given its time.

    True when nothing of it is left. A process that is not shown to be ours (see `members`) gets no signal.
    """
    left = members(handle, log)
    for number, seconds in grace:
        told: set[tuple[int, int]] = set()
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            # repeated: a process that was just being made when the others got the signal has not had it
            for one in _addressed(left, number, _parts(handle)[0]):
                if (one.pid, one.started) not in told:
                    told.add((one.pid, one.started))
                    _send(one, number)
            time.sleep(_POLL_S)
            left = members(handle, log)
    return not left


def _addressed(left: Sequence[Process], number: signal.Signals, group: int) -> Sequence[Process]:
    """Who gets a signal. All but SIGKILL go to the group, as ctrl+c does; its first process ends the others."""
    if number == signal.SIGKILL:
        return left
    return [one for one in left if one.group == group] or left


def _send(one: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        pidfd = _pidfd(one.pid)
        try:
            # asked after the pidfd is open: a process as old as ours had this pid when it was opened
            now = _process(one.pid)
            if now is None or now.started != one.started:
                return
            if pidfd is None:
                os.kill(one.pid, number)
            else:
                signal.pidfd_send_signal(pidfd, number)
        finally:
            if pidfd is not None:
                os.close(pidfd)


def _pidfd(pid: int) -> int | None:
    """A pidfd, which stands for one process even if its pid is reused; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):
        return None


def _leader(handle: str) -> Process | None:
    """The process that a handle was made for, dead or alive; None when it is gone or does not lead a session."""
    pid, started = _parts(handle)
    one = _process(pid)
    # the kernel gives session -1 for a process that is just leaving the table
    return one if one is not None and one.started == started and one.session in (pid, -1) else None


def _writes_to(pid: int, log: Path) -> bool:
    """Whether the output of a process goes to a file."""
    for number in (1, 2):
        with suppress(OSError):
            if (PROC / str(pid) / "fd" / str(number)).samefile(log):
                return True
    return False


def _is_beneath(entry: Path, path: str) -> bool:
    """Whether a /proc/PID/cgroup names a control group or one beneath it."""
    with suppress(OSError):
        # number, controllers and path: one line with version 2, one for each controller with version 1
        named = [line.split(":", 2)[2] for line in entry.read_text(encoding="utf-8", errors="replace").splitlines()]
        return any(f"{one}/".startswith(f"{path}/") for one in named)
    return False


def _process(pid: int) -> Process | None:
    """The process that has a pid now."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # after the name, which may hold anything: state, parent, group, session, ...
    fields = text.rpartition(")")[2].split()
    return Process(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19])) if len(fields) > 19 else None


def _reap(handle: str) -> None:
    """Note the end of a child of ours, so that it does not stay a zombie."""
    if (child := _children.get(handle)) is not None:
        child.poll()


def _parts(handle: str) -> tuple[int, int]:
    found = _HANDLE.fullmatch(handle)
    if found is None:
        raise Refusal(f"{handle!r} is no handle of a process")
    return int(found[1]), int(found[2])
