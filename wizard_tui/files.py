"""Our own files: where they are, and how they are written. A reader finds the old file or the new one, never a half."""

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
"""A folder that does not exist: nothing is found in it, and writing to it fails as on a full disk."""


def state_folder() -> Path:
    """Where sessions and servers are kept (XDG_STATE_HOME); under `NOWHERE` for a user without a home."""
    from platformdirs import user_state_path

    return _found(user_state_path)


def cache_folder() -> Path:
    """Where copies are kept that can be fetched again (XDG_CACHE_HOME); under `NOWHERE` for a user without a home."""
    from platformdirs import user_cache_path

    return _found(user_cache_path)


def _found(folder: Callable[[str], Path]) -> Path:
    with suppress(RuntimeError):  # there is no home
        place = folder(PROGRAM)
        # a variable may hold a relative path, but nobody looks for these files in the working directory
        if place.is_absolute():
            return place
    return NOWHERE / PROGRAM


def expanded(path: str) -> Path:
    """The path with `~` replaced by the home directory. Raises Refusal for an unknown user, or one without a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise Refusal(f"{path} is nowhere, as there is no such home directory; give a path without ~") from None


class NotPrivateError(OSError):
    """One of our files or folders belongs to others, or they may write to it, so it may hold anything. The text is one
    plain sentence with the cure."""


def make_private(folder: Path) -> None:
    """Make a directory and its missing parents, readable by the owner alone whatever the umask.

    Raises NotPrivateError where it exists and others may write to it, and OSError.
    """
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    check_private(folder)


def check_private(folder: Path) -> None:
    """Raise NotPrivateError when others than the user may write to a directory, and OSError when it does not exist."""
    _check(folder, folder.stat())


def read_private(path: Path, limit_bytes: int) -> bytes:
    """The content of a file that only the user may write. Links are not followed, and a pipe is not waited for.

    Raises NotPrivateError where others may have written it, and OSError where it is not a file or is too large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise NotPrivateError(f"{path} is a symbolic link; put the file itself there, or remove it") from None
    try:
        # of the open file: at its path there may be another one by now
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
