"""Where sessions are kept: each running wizard has a private file of its own, replaced as a whole.

A lock that ends with the process tells which files belong to wizards that still run; the newest of the others is what
can be gone on with.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard_tui.files import make_private, replace_file, state_folder

LIMIT_BYTES = 1 << 20


@dataclass(frozen=True)
class Saved:
    """A session that was left: its data, and when it was saved (seconds since 1970, not later than now)."""

    state: dict[str, Any]
    saved_at: float


class StateFile:
    """The file of this wizard, under the XDG state directory unless another one is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_folder() / "sessions"
        self._path: Path | None = None

    def save(self, state: Mapping[str, Any]) -> bool:
        """Write the session; False when the disk does not take it, which must not stop the wizard."""
        try:
            replace_file(self._own_path(), json.dumps(state))
        except OSError:
            return False
        return True

    def newest_left(self) -> Saved | None:
        """The session that was saved last by a wizard that no longer runs; None when there is none that can be read.

        Older ones are removed. Those from the future, which a clock that was wrong has written, come last and stay: one
        of them may be the newest.
        """
        now = time.time()
        left = sorted(self._left(), key=lambda row: (row[0] <= now, row[0]), reverse=True)
        for saved_at, path in left[1:]:
            if saved_at <= now:
                _remove(path)
        return next((saved for _, path in left[:1] if (saved := _read(path)) is not None), None)

    def _own_path(self) -> Path:
        if self._path is None:
            make_private(self._folder)
            path = self._folder / f"{os.getpid()}.json"
            # held, and so never closed, until the process ends
            lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._path = path
        return self._path

    def _left(self) -> Iterator[tuple[float, Path]]:
        """When each was saved, and where."""
        with suppress(OSError):
            for path in self._folder.glob("*.json"):
                if path.is_file() and path != self._path and not _is_held(path.with_suffix(".lock")):
                    yield path.stat().st_mtime, path


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _read(path: Path) -> Saved | None:
    try:
        status = path.stat()
        if status.st_size > LIMIT_BYTES:
            return None
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return Saved(state, min(max(0.0, status.st_mtime), time.time())) if isinstance(state, dict) else None


def _remove(path: Path) -> None:
    for part in (path, path.with_suffix(".lock")):
        with suppress(OSError):
            part.unlink()
