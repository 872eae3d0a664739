"""Whether a program rests, as the kernel knows it: it sleeps, and has not been given a processor for a while.

What a program writes says little about that on a busy machine, where it may be silent because it waits for its turn.
The kernel calls such a program runnable, so here it is at work.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
KNOWN = (PROC / "self" / "task").is_dir()
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
    for pid in _with_descendants(roots) if KNOWN else ():
        try:
            threads = [thread for thread in (PROC / str(pid) / "task").iterdir() if thread.name != str(pid)]
            for thread in threads:
                if _at_work(_status(thread)):
                    return None
            # last, since the others wake it
            status = _status(PROC / str(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended under our eyes
        if _at_work(status):
            return None
        turns[pid] = sum(int(status[f"{kind}_ctxt_switches"]) for kind in ("voluntary", "nonvoluntary"))
    return turns


def _at_work(status: dict[str, str]) -> bool:
    return status["State"].startswith(_AT_WORK)


def _status(place: Path) -> dict[str, str]:
    lines = (place / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _with_descendants(roots: Iterable[int]) -> list[int]:
    parents = {}
    for place in PROC.glob("[0-9]*"):
        try:
            # the name, in brackets, may hold anything; behind it stand the state and the parent
            parents[int(place.name)] = int((place / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = [pid for pid in roots if pid in parents]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid and child not in found]
    return found
