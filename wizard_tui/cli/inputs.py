"""Files that commands read, or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wizard_tui.cli.options import UsageError


@contextmanager
def opened_text(path: Path) -> Iterator[IO[str]]:
    """The lines of a regular file, or of stdin for `-`; bytes that are no UTF-8 are replaced. Raises UsageError."""
    if str(path) == "-":
        yield sys.stdin
        return
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file")
        with path.open(encoding="utf-8", errors="replace") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
