"""A terminal to run programs in: a pty, a screen that reads what they write, and a count of the bytes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType

import pyte
from rich.cells import cell_len

from tools import resting

ASLEEP_S = 0.15 if resting.KNOWN else 0.5
"""A program that sleeps for this long is done: longer than its timers between a key and the last cell that changes, and
than a terminal program waits after an escape."""
LOOK_S = 0.02
LIMIT_S = 60.0
"""A result not seen within this time will not come, however busy the machine."""


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
        through: Sequence[int] = (),
    ) -> None:
        """`through` are further processes whose children do the work, such as the server that a client logs in to."""
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._through = through
        self.bytes_written = 0
        self.started = time.perf_counter()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), dict(environment or os.environ))  # noqa: S606
        self.resize(size)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill(9)
        os.close(self._descriptor)

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size, in columns and rows; the program is told by a signal."""
        columns, rows = size
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._screen.resize(rows, columns)

    @property
    def edits_lines(self) -> bool:
        """Whether the terminal still keeps a line to itself until Enter, as before a program that reads keys."""
        return bool(termios.tcgetattr(self._descriptor)[3] & termios.ICANON)

    @property
    def text(self) -> str:
        """What is on screen."""
        rows, columns = self._screen.buffer, range(self._screen.columns)
        return "\n".join(_row([rows[y][x].data for x in columns]) for y in range(self._screen.lines))

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
            if time.perf_counter() > end:
                raise TimeoutError(f"not reached within {limit_s} s; the screen:\n{self.text}")
            if not self._read(0.05):
                raise TimeoutError(f"not reached when the program ended; the screen:\n{self.text}")
        return time.perf_counter() - self.started

    def settle(self, asleep_s: float = ASLEEP_S) -> None:
        """Read until the program has slept for `asleep_s`, all that it wrote is read, or it has ended."""
        for _ in self._written_until_asleep(asleep_s, {}):
            continue

    def send(self, keys: bytes) -> None:
        """Write keys without waiting for their effect."""
        os.write(self._descriptor, keys)

    def press(self, keys: bytes, asleep_s: float = ASLEEP_S) -> Answer:
        """Write keys, and read until the program has taken them and sleeps again."""
        before, counted, at = self.text, self.bytes_written, time.perf_counter()
        turns = self._turns() or {}
        self.send(keys)
        first = None
        for _ in self._written_until_asleep(asleep_s, turns):
            if first is None and self.text != before:
                first = 1000 * (time.perf_counter() - at)
        return Answer(first, self.bytes_written - counted)

    def _turns(self) -> resting.Turns | None:
        return resting.turns_at_rest((self.pid, *self._through))

    def _written_until_asleep(self, asleep_s: float, before: resting.Turns) -> Iterator[None]:
        """Yields after each piece that was read; TimeoutError when the program does not come to rest.

        Sleep counts from the first turn after those `before`; keys not yet delivered leave the turns unchanged.
        """
        turns, since = None, time.perf_counter()
        end = since + LIMIT_S
        while time.perf_counter() < end:
            counted = self.bytes_written
            if not self._read(LOOK_S):
                return
            now = self._turns()
            if self.bytes_written > counted:
                yield
                turns = None
            if now is None or now != turns or (before and now == before):
                turns, since = now, time.perf_counter()
            elif time.perf_counter() - since >= asleep_s:
                return
        raise TimeoutError(f"still at work after {LIMIT_S} s; the screen:\n{self.text}")

    def _read(self, wait_s: float) -> bool:
        """Take what comes within `wait_s`; False when the program has ended."""
        ready, _, _ = select.select([self._descriptor], [], [], wait_s)
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 1 << 16)
        except OSError:
            return False
        self.bytes_written += len(data)
        self._stream.feed(data)
        return bool(data)


def _row(cells: list[str]) -> str:
    """What stands in a row. The second cell of a wide character is empty; where one lost its first to a resize, there
    is nothing to see."""
    return "".join(
        cell or ("" if index and cells[index - 1] and cell_len(cells[index - 1]) == 2 else " ")
        for index, cell in enumerate(cells)
    )
