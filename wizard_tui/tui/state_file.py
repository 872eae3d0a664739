"""Where sessions are kept: each running wizard has a private file of its own, replaced as a whole.

A lock that ends with the process marks the files of wizards that still run. The others are earlier sessions: one wizard
can continue each, and locks it until its own file holds all of it. None is removed before that, unless it is old and
there are many.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard_tui.files import NOWHERE, make_private, replace_file, state_folder

LIMIT_BYTES = 1 << 20
KEPT_AT_LEAST = 20
"""How many earlier sessions are kept, however old they are."""
OLD_S = 30 * 86_400
"""Further ones are removed when they were saved longer ago than this, in seconds."""
LONELY_S = 86_400
"""A lock without a session is removed after this many seconds: a younger one may belong to a wizard that is
starting."""
TRIES, TRY_EVERY_S = 6, 0.01
"""Attempts to lock an earlier session: a wizard that checks whether it is held holds it for a moment."""
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your quota of the disk is used up"}


class NotSavedError(Exception):
    """A session could not be written; the text says why, and what would help, without a final stop."""


@dataclass(frozen=True)
class Saved:
    """An earlier session: its data, when it was saved (seconds since 1970, not later than now), and its name."""

    state: dict[str, Any]
    saved_at: float
    name: str


class StateFile:
    """The file of this wizard, under the XDG state directory unless another one is given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_folder() / "sessions"
        self._path: Path | None = None
        self._lock: int | None = None
        self._taken: Path | None = None
        self._taken_lock: int | None = None

    def save(self, state: Mapping[str, Any], instead_of: str = "") -> None:
        """Write the session, then remove the one that was taken, if it is the one named. Raises NotSavedError."""
        try:
            replace_file(self._own_path(), json.dumps(state))
        except OSError as error:
            raise NotSavedError(self._why(error)) from error
        if self._taken is not None and self._taken.stem == instead_of:
            _remove(self._taken)
        self.let_go()

    def try_out(self) -> None:
        """Find out, before there is anything to write, whether a session can be kept. Raises NotSavedError."""
        try:
            self._own_path()
        except OSError as error:
            raise NotSavedError(self._why(error)) from error

    def left(self) -> list[Saved]:
        """The readable sessions of wizards that no longer run, unless another wizard took them.

        The newest is first. Those dated in the future, written by a wrong clock, come last, as nobody knows their age;
        they are never removed for their age.
        """
        now = time.time()
        found = sorted(self._unheld(), key=lambda row: (row[0] <= now, row[0]), reverse=True)
        for saved_at, path in found[KEPT_AT_LEAST:]:
            if saved_at < now - OLD_S:
                _remove(path)
        self._sweep(now)
        return [saved for _, path in found if (saved := _read(path)) is not None]

    def take(self, name: str) -> Saved | None:
        """Lock an earlier session for this wizard alone, and read it; None when another wizard was first.

        A session taken before is released.
        """
        self.let_go()
        path = self._folder / f"{name}.json"
        try:
            lock = _locked(path.with_suffix(".lock"), TRIES)
        except BlockingIOError:
            return None
        except OSError:
            # where nothing can be written, nobody can take it from us either
            lock = None
        saved = _read(path)
        self._taken, self._taken_lock = path, lock
        if saved is None:
            if lock is not None and not path.exists():
                _remove(path)
            self.let_go()
        return saved

    def let_go(self) -> None:
        """Release the taken session to others, as it is."""
        if self._taken_lock is not None:
            os.close(self._taken_lock)
        self._taken = self._taken_lock = None

    def set_aside(self) -> None:
        """Leave this wizard's session as last saved; later saves start another one."""
        if self._lock is not None:
            os.close(self._lock)
        self._path = self._lock = None

    @property
    def is_begun(self) -> bool:
        """Whether there is a session of this wizard on disk."""
        return self._path is not None and self._path.exists()

    def _own_path(self) -> Path:
        if not self._folder.is_dir():
            # never made, or removed under us
            self.set_aside()
        if self._path is None:
            make_private(self._folder)
            # not the process number alone: another machine or container that shares this folder may have the same
            path = self._folder / f"{os.getpid()}-{secrets.token_hex(8)}.json"
            # held, and so never closed, until the process ends
            try:
                self._lock = _locked(path.with_suffix(".lock"))
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise
            self._path = path
        return self._path

    def _unheld(self) -> Iterator[tuple[float, Path]]:
        """When each was saved, and where."""
        with suppress(OSError):
            for path in self._folder.glob("*.json"):
                with suppress(OSError):
                    if path.is_file() and path != self._path and not _is_held(path.with_suffix(".lock")):
                        yield path.stat().st_mtime, path

    def _sweep(self, now: float) -> None:
        """Remove the locks of wizards that saved nothing."""
        with suppress(OSError):
            for lock in self._folder.glob("*.lock"):
                with suppress(OSError):
                    lonely = not lock.with_suffix(".json").exists()
                    if lonely and lock.stat().st_mtime < now - LONELY_S and not _is_held(lock):
                        lock.unlink()

    def _why(self, error: OSError) -> str:
        if NOWHERE in self._folder.parents:
            return "this user has no home directory; set XDG_STATE_HOME to a folder of yours"
        if error.errno in _FULL:
            return f"{_FULL[error.errno]}; make room where {self._folder} is"
        return f"{self._folder} cannot be written ({error.strerror or error}); make it writable, or set XDG_STATE_HOME"


def _locked(lock: Path, tries: int = 1) -> int:
    """The descriptor of a lock that this process holds. Raises OSError; BlockingIOError when another one holds it."""
    descriptor = os.open(lock, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        for _ in range(tries - 1):
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            time.sleep(TRY_EVERY_S)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _is_held(lock: Path) -> bool:
    """Whether a process holds a lock. Where locks are not supported, none is held."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read(path: Path) -> Saved | None:
    try:
        status = path.stat()
        if status.st_size > LIMIT_BYTES:
            return None
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    at = min(max(0.0, status.st_mtime), time.time())
    return Saved(state, at, path.stem) if isinstance(state, dict) else None


def _remove(path: Path) -> None:
    # the lock last: whoever waits for it then finds no session
    for part in (path, path.with_suffix(".lock")):
        with suppress(OSError):
            part.unlink()
