"""Keys typed while the wizard is being loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def kept_as_typed() -> Iterator[None]:
    """Keep keys that are typed before the wizard reads them.

    Until it is told otherwise a terminal edits a line by itself: `ctrl+u` would wipe out what was typed ahead, Enter
    would come as another key, and all of it would be shown between the lines of the shell. Signals stay as they are.
    """
    import termios

    try:
        before = termios.tcgetattr(sys.stdin)
    except (termios.error, OSError, ValueError):
        yield
        return
    plain = list(before)
    plain[0] &= ~(termios.ICRNL | termios.IXON)
    plain[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN)
    termios.tcsetattr(sys.stdin, termios.TCSANOW, plain)
    try:
        yield
    finally:
        # the terminal may be gone
        with suppress(termios.error, OSError):
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)
