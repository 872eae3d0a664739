"""Whether a program rests, according to the kernel: it sleeps, and has not been given a processor for a while.

A program's output says little about that on a busy machine, where it may be silent because it waits for its turn.
The kernel calls such a program runnable, so here it is at work.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
KNOWN = (PROC / "thread-self" / "children").is_file()
"""Only Linux tells it. Elsewhere nothing is ever at work, and no turns are counted."""
_AT_WORK = ("R", "D")
"""Running or waiting for its turn; waiting for the disk."""

Turns = dict[int, int]
"""How often the main thread of each process gave the processor back."""


def turns_at_rest(roots: Iterable[int]) -> Turns | None:
    """Turns of these processes and all below them; None while a thread of any of them is at work.

    Only main threads are counted: others may look now and then whether there is something to do, and wake the main
    thread when there is. A program whose turns stay the same has done nothing in between.
    """
    turns: Turns = {}
    for pid in with_descendants(roots):
        # the main thread last, since the others wake it
        for thread in sorted(_threads(pid), key=lambda thread: thread.name == str(pid)):
            status = _status(thread)
            if status.get("State", "").startswith(_AT_WORK):
                return None
        turns[pid] = sum(int(status.get(f"{kind}_ctxt_switches", 0)) for kind in ("voluntary", "nonvoluntary"))
    return turns


def with_descendants(roots: Iterable[int]) -> list[int]:
    """Those of the processes that still exist, and all their descendants."""
    found = [pid for pid in roots if _threads(pid)]
    for pid in found:
        for thread in _threads(pid):
            found += map(int, _read(thread / "children").split())
    return found


def _threads(pid: int) -> list[Path]:
    try:
        return list((PROC / str(pid) / "task").iterdir()) if KNOWN else []
    except (FileNotFoundError, ProcessLookupError):
        return []


def _status(thread: Path) -> dict[str, str]:
    lines = _read(thread / "status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _read(path: Path) -> str:
    """Nothing when the thread ended while being read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
