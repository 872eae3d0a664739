"""Files of our own: where they are, and how they are written so that a reader finds the old or the new one, no half."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from wizard_tui.errors import Refusal

PROGRAM = "vllm-wizard-tui"
NOWHERE = Path(os.devnull)
"""Nothing is found there, and what would be written there is refused as by a disk that is full."""


def state_folder() -> Path:
    """Where sessions and servers are kept (XDG_STATE_HOME); under `NOWHERE` for a user without a home."""
    from platformdirs import user_state_path

    return _found(user_state_path)


def cache_folder() -> Path:
    """Where what can be had again is kept (XDG_CACHE_HOME); under `NOWHERE` for a user without a home."""
    from platformdirs import user_cache_path

    return _found(user_cache_path)


def _found(folder: Callable[[str], Path]) -> Path:
    with suppress(RuntimeError):  # there is no home
        place = folder(PROGRAM)
        # a variable may say otherwise, but the working directory is not where anybody looks for it
        if place.is_absolute():
            return place
    return NOWHERE / PROGRAM


def expanded(path: str) -> Path:
    """A path in which `~` is the home directory. Raises Refusal where there is no such user, or none has a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise Refusal(f"{path} is nowhere, as there is no such home directory; give a path without ~") from None


class NotPrivateError(OSError):
    """A file or folder of ours that others own or may write, so that it may hold anything; its text is one plain
    sentence with the cure."""


def make_private(folder: Path) -> None:
    """Make a directory, and those above it that are missing, for its owner alone whatever the umask.

    Raises NotPrivateError for one that is there and is not the user's alone to write, and OSError.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    check_private(folder)


def check_private(folder: Path) -> None:
    """Raise NotPrivateError when somebody but the user may write in a directory, and OSError when there is none."""
    _check(folder, folder.stat())


def read_private(path: Path, limit_bytes: int) -> bytes:
    """What is in a file that the user alone may write; no link is followed, and nothing is waited for.

    Raises NotPrivateError where it may be somebody else's word, and OSError where it is no file or a larger one.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise NotPrivateError(f"{path} is a symbolic link; put the file itself there, or remove it") from None
    try:
        # of what was opened: at its path may be another one by now
        status = os.fstat(handle)
        _check(path, status)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit_bytes:
            raise OSError(f"{path} is no file of at most {limit_bytes:,} bytes; remove it")
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(limit_bytes)
    finally:
        os.close(handle)


def _check(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise NotPrivateError(f"{path} belongs to another user; remove it, or set XDG_STATE_HOME to a folder of yours")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotPrivateError(f"{path} may be written by others; look at what it holds, then run chmod go-w on it")


def replace_file(path: Path, text: str) -> None:
    """Write `text` beside `path`, readable by its owner alone, and put it in its place. Raises OSError."""
    import tempfile

    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
