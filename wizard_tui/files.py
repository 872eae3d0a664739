"""Files of our own, written so that a reader finds the old or the new one and never a half."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


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
