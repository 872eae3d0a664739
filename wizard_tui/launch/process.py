"""Processes of a server: started in a session of their own, found again by pid and start time, ended as a group."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
# what each signal is given before the next: vLLM ends its workers on SIGINT, which takes a while with many GPUs
GRACE_S: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 20.0),
    (signal.SIGTERM, 10.0),
    (signal.SIGKILL, 5.0),
)
_POLL_S = 0.1
LAST_BREATH_S = 2.0
_children: dict[int, subprocess.Popen[bytes]] = {}


def start(arguments: Sequence[str], log: Path, environ: Mapping[str, str], folder: Path | None = None) -> str:
    """Start a program that outlives this one and its terminal, its output appended to `log`; its handle.

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
    _children[child.pid] = child
    return f"{child.pid}:{_started(child.pid) or 0}"


def is_running(handle: str) -> bool:
    """Whether the process of a handle still runs, and is the same: a pid alone may have been given to another."""
    pid, started = _parts(handle)
    _reap(pid)
    return started != 0 and _started(pid) == started


def exit_text(handle: str) -> str:
    """How a process that this program started has ended, in words; empty while it runs and for one of others."""
    child = _children.get(_parts(handle)[0])
    if child is None or is_running(handle):
        return ""
    try:
        # it may still be busy with ending its threads
        code = child.wait(LAST_BREATH_S)
    except subprocess.TimeoutExpired:
        return ""
    if code >= 0:
        return f"the process ended with exit code {code}"
    return f"the process was ended by signal {-code} ({signal.Signals(-code).name})"


def stop(handle: str, grace: Sequence[tuple[signal.Signals, float]] = GRACE_S) -> bool:
    """End a process group: SIGINT, then SIGTERM, then SIGKILL, each after its time. True when nothing of it is left."""
    pid, _ = _parts(handle)
    if not is_running(handle) and not _members(pid):
        return True
    for number, seconds in grace:
        for member in _members(pid) if number == signal.SIGKILL else [-pid]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(member, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _reap(pid)
            if not _members(pid):
                return True
            time.sleep(_POLL_S)
    return not _members(pid)


def _members(group: int) -> list[int]:
    """Living processes of a session: workers may have made groups of their own."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            # state, ppid, pgrp, session
            if fields and fields[0] not in ("Z", "X") and group in (int(fields[2]), int(fields[3])):
                found.append(int(entry.name))
    return found


def _started(pid: int) -> int | None:
    """The start time of a process in clock ticks since boot; None for one that is gone or a zombie."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] not in ("Z", "X") else None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold anything."""
    try:
        return (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _reap(pid: int) -> None:
    """Take note of the end of a child of ours, so that it is no zombie."""
    if (child := _children.get(pid)) is not None:
        child.poll()


def _parts(handle: str) -> tuple[int, int]:
    pid, _, started = handle.partition(":")
    try:
        return int(pid), int(started)
    except ValueError:
        raise ValueError(f"{handle!r} is no handle of a process") from None
