"""A terminal to run programs in: a pty, a screen that reads what they write, and a count of the bytes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import pyte

QUIET_S = 0.25
"""A program that writes nothing for so long is taken to be done with a key."""
ANSWER_S = 2.0
"""On a busy machine, the answer to a key may take so long to begin."""
LIMIT_S = 20.0


@dataclass(frozen=True)
class Answer:
    """What a key did: milliseconds to the first changed cell (None: nothing changed), and the bytes written."""

    first_change_ms: float | None
    bytes_written: int


class Terminal:
    """Runs a command on its own pty. Use as a context manager; the command is killed at the end."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (120, 36),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        columns, rows = size
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.bytes_written = 0
        self.started = time.perf_counter()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environment or os.environ))  # noqa: S606
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill(9)
        os.close(self._descriptor)

    @property
    def text(self) -> str:
        """What is on screen."""
        return "\n".join(self._screen.display)

    def reversed_text(self, row: int) -> str:
        """The characters of a row that are set in reverse, as a cursor without colours is."""
        return "".join(cell.data for _, cell in sorted(self._screen.buffer[row].items()) if cell.reverse)

    def kill(self, number: int) -> None:
        """Send a signal and wait for the end; fine when it has ended already."""
        try:
            os.kill(self.pid, number)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return

    def wait_for(self, reached: Callable[[str], bool], limit_s: float = LIMIT_S) -> float:
        """Seconds since the start at which the screen first satisfied `reached`; TimeoutError when it never did."""
        end = time.perf_counter() + limit_s
        while not reached(self.text):
            if time.perf_counter() > end or not self._read(0.05, until_end=False):
                raise TimeoutError(f"not reached within {limit_s} s; the screen:\n{self.text}")
        return time.perf_counter() - self.started

    def settle(self, quiet_s: float = QUIET_S) -> None:
        """Read until nothing is written for `quiet_s`."""
        while self._read(quiet_s):
            continue

    def press(self, keys: bytes, quiet_s: float = QUIET_S) -> Answer:
        """Write keys and read until the program is quiet again."""
        before, counted, at = self.text, self.bytes_written, time.perf_counter()
        os.write(self._descriptor, keys)
        first = None
        wait_s = max(quiet_s, ANSWER_S)
        while self._read(wait_s):
            wait_s = quiet_s
            if first is None and self.text != before:
                first = 1000 * (time.perf_counter() - at)
        return Answer(first, self.bytes_written - counted)

    def _read(self, wait_s: float, *, until_end: bool = True) -> bool:
        """Take what is there; False when nothing came (and `until_end`), or when the program has ended."""
        ready, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not ready:
            return not until_end
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:
            return False
        self.bytes_written += len(data)
        self._stream.feed(data)
        return bool(data)
