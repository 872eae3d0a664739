"""Files or pipes that commands read."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from wizard_tui.cli.parser import UsageError
from wizard_tui.schemas.secrets import without_secrets


@contextmanager
def opened_lines(path: Path, limit: int, *, most: float = math.inf) -> Iterator[Iterator[str]]:
    """The lines of a regular file, or of stdin for `-`; bytes that are not UTF-8 are replaced. Raises UsageError.

    Of a line longer than `limit` characters the first `limit` + 1 are given: a file may be one line of many GiB. After
    `most` characters no further line is read.
    """
    if str(path) == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed; give a file, or let something be read from a pipe")
        yield _bounded(sys.stdin, limit, most, "stdin")
        return
    where = without_secrets(str(path))
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{where} is not a regular file")
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unreadable(where, error) from None
    with file:
        yield _bounded(file, limit, most, where)


def _bounded(file: IO[str], limit: int, most: float, where: str = "") -> Iterator[str]:
    # only errors of reading: the work on a line, such as printing its answer, has errors of its own
    def read_line() -> str:
        try:
            return file.readline(limit + 1)
        except OSError as error:
            raise _unreadable(where, error) from None

    read = 0
    while read <= most and (line := read_line()):
        read += len(line)
        yield line
        while read <= most and len(line) > limit and not line.endswith("\n"):
            line = read_line()
            read += len(line)


def _unreadable(where: str, error: OSError) -> UsageError:
    return UsageError(f"{where} cannot be read: {error.strerror or error}")
