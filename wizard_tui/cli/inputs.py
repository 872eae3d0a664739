"""Files that commands read, or a pipe."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wizard_tui.cli.parser import UsageError


@contextmanager
def opened_lines(path: Path, limit: int, *, most: float = math.inf) -> Iterator[Iterator[str]]:
    """The lines of a regular file, or of stdin for `-`; bytes that are no UTF-8 are replaced. Raises UsageError.

    Of a line longer than `limit` characters the first `limit` + 1 are given: a file may be one line of many GiB. Behind
    `most` characters no further line is read.
    """
    if str(path) == "-":
        yield _bounded(sys.stdin, limit, most)
        return
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file")
        with path.open(encoding="utf-8", errors="replace") as file:
            yield _bounded(file, limit, most)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None


def _bounded(file: IO[str], limit: int, most: float) -> Iterator[str]:
    read = 0
    while read <= most and (line := file.readline(limit + 1)):
        read += len(line)
        yield line
        while read <= most and len(line) > limit and not line.endswith("\n"):
            line = file.readline(limit + 1)
            read += len(line)
