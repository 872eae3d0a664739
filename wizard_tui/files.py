"""Files of our own: where they are, and how they are written so that a reader finds the old or the new one, no half."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

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
    """A path in which `~` is the home directory. Raises ValueError where there is no such user, or none has a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{path} is nowhere, as there is no such home directory; give a path without ~") from None


def make_private(folder: Path) -> None:
    """Make a directory, and those above it that are missing, for its owner alone whatever the umask. Raises OSError."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


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
