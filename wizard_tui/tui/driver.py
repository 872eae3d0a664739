"""Textual's driver, for a terminal that may go away at any time."""

from __future__ import annotations

import select
import sys
from contextlib import suppress
from threading import Thread
from typing import Any, Protocol, TextIO, cast

from textual.drivers.linux_driver import LinuxDriver

from wizard_tui.tui.ending import LINE_LOST


class Endable(Protocol):
    """What the driver tells an app; each may be called from any thread."""

    def end_soon(self, code: int) -> None:
        """The terminal is gone."""

    def fail(self, error: Exception) -> None:
        """The thread that reads the keys has failed."""


class LastingDriver(LinuxDriver):
    """Tells the app when the terminal is gone, and neither stops nor spins because of it.

    With such a terminal, Textual's own driver keeps reading nothing, and its writer thread ends, so the app waits for
    ever.
    """

    def __init__(self, app: Any, **more: Any) -> None:
        super().__init__(app, **more)
        self._told = cast("Endable", app)
        self._file = cast("Any", _Output(_terminal()))
        self._watcher: Thread | None = None

    def start_application_mode(self) -> None:
        """Take over the terminal, and watch it."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._watcher is None:
            self._watcher = Thread(target=self._watch, name="terminal-watch", daemon=True)
            self._watcher.start()

    def write(self, data: str) -> None:
        """Write to the terminal, unless it was gone before the first byte."""
        if self._writer_thread is not None:
            super().write(data)

    def _watch(self) -> None:
        """Sleep until the other end of the terminal is closed; no key and no output wakes it."""
        poll = select.poll()
        for descriptor in {self.fileno, _terminal().fileno()}:
            # with no events requested, it still reports that the other end is gone
            poll.register(descriptor, 0)
        poll.poll()
        self._line_lost()

    def _line_lost(self) -> None:
        # the key reader would otherwise read nothing for ever
        self.exit_event.set()
        self._told.end_soon(LINE_LOST)

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except OSError:
            self._line_lost()
        except Exception as error:
            self._told.fail(error)


class _Output:
    """Where the screen is written to. Output for a terminal that is gone is dropped."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


def _terminal() -> TextIO:
    """Stderr as Textual has it, unless it is closed or goes elsewhere: then stdout."""
    for file in (sys.__stderr__, sys.__stdout__):
        if file is not None and file.isatty():
            return file
    return cast("TextIO", sys.__stderr__ or sys.__stdout__)
