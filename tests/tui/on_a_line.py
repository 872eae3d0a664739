"""Programs on a line that can be cut: a pty whose other end is held here, and the processes that live on it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyte

from tools.bench import environment

WIZARD = [sys.executable, "-m", "wizard_tui"]
LIMIT_S = 30.0
HANDED_BACK = b"\x1b[?1004l"
"""The last bytes that Textual writes to hand a terminal back."""
COLUMNS, ROWS = 100, 36


class Line:
    """A command on a pty of its own; its output is read only while a state is waited for."""

    def __init__(self, command: Sequence[str], home: Path, *, controlling: bool = True, **more: str) -> None:
        """`controlling`: the kernel tells the command by SIGHUP when the line is cut. `more` is for its environment."""
        self.home = home
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._written = b""
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))

        def take_line() -> None:
            if controlling:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(str(home)) | more,
            start_new_session=True,
            preexec_fn=take_line,
        )
        os.close(theirs)

    @property
    def text(self) -> str:
        """What is on screen."""
        return "\n".join(self._screen.display)

    @property
    def behind(self) -> str:
        """The output after the terminal was handed back, on one line."""
        text = self._written.rpartition(HANDED_BACK)[2].decode()
        return " ".join(re.sub(r"\x1b\[[?\d;]*[a-z]|\x1b\][^\x07]*\x07", "", text).split())

    def type(self, keys: bytes) -> None:
        """Send keys."""
        os.write(self._ours, keys)

    def until(self, reached: Callable[[str], bool]) -> None:
        """Read until the screen reaches a state; fails when it does not."""
        end = time.monotonic() + LIMIT_S
        while not reached(self.text):
            assert time.monotonic() < end, f"the state was not reached; seen at last:\n{self.text}"
            if select.select([self._ours], [], [], 0.05)[0]:
                self._stream.feed(self._read())

    def cut(self) -> None:
        """The other end of the line is gone."""
        os.close(self._ours)
        self._ours = -1

    def ended(self) -> int:
        """Wait for the end of the command, reading what it writes; its exit code."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end; seen at last:\n{self.text}"
            if self._ours >= 0 and select.select([self._ours], [], [], 0.02)[0]:
                self._stream.feed(self._read())
            elif self._ours < 0:
                time.sleep(0.02)
        if self._ours >= 0:
            while data := self._read():
                self._stream.feed(data)
        return self.process.returncode

    def close(self) -> None:
        """End whatever still runs."""
        if self._ours >= 0:
            self.cut()
        for pid in processes(self.home):
            os.kill(pid, 9)
        self.process.wait()

    def _read(self) -> bytes:
        try:
            data = os.read(self._ours, 1 << 16)
        except OSError:
            return b""
        self._written += data
        return data


def processes(home: Path) -> list[int]:
    """The processes that run with this home directory."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            running = folder.name.isdecimal() and (folder / "stat").read_text().rpartition(") ")[2][0] != "Z"
            if running and f"HOME={home}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def until(reached: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Wait for a state; fails when it does not come."""
    end = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < end, "the state was not reached"
        time.sleep(0.02)


def state(home: Path) -> Path:
    """Where a wizard with this home directory keeps its state."""
    return home / ".local" / "state" / "vllm-wizard-tui"
