"""Files that commands read, or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wizard_tui.cli.parser import UsageError


@contextmanager
def opened_lines(path: Path, limit: int) -> Iterator[Iterator[str]]:
    """The lines of a regular file, or of stdin for `-`; bytes that are no UTF-8 are replaced. Raises UsageError.

    Of a line longer than `limit` characters the first `limit` + 1 are given: a file may be one line of many GiB.
    """
    if str(path) == "-":
        yield _bounded(sys.stdin, limit)
        return
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file")
        with path.open(encoding="utf-8", errors="replace") as file:
            yield _bounded(file, limit)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _bounded(file: IO[str], limit: int) -> Iterator[str]:
    while line := file.readline(limit + 1):
        yield line
        while len(line) > limit and not line.endswith("\n"):
            line = file.readline(limit + 1)
