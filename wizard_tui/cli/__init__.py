"""The command `vllm-wizard-tui`: without a command the wizard, with one the same core without a screen."""

from __future__ import annotations

import errno
import gc
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

OK, PROBLEM, USAGE = 0, 1, 2
INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
PROGRAM = "vllm-wizard-tui"


def main() -> None:
    """Run the command line; what the user can put right is one sentence on stderr and exit code 2."""
    # what a start makes, stays: to look for garbage among it, and at the end once more, takes a sixth of a plan's time
    gc.disable()
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line; its exit code."""
    if not arguments and on_a_terminal():
        # the usual start: what reads a command line would cost a twentieth of it
        from wizard_tui.tui.app import run as run_wizard

        gc.enable()
        run_wizard()
        return OK
    from wizard_tui.cli.commands import ROOT
    from wizard_tui.cli.parser import UsageError, parsed

    try:
        code = _worked(lambda: parsed(ROOT, PROGRAM, arguments))
        sys.stdout.flush()
    except UsageError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # the reader, such as `head`, has had enough
        _close_output()
        return OK
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _close_output()
        return _refuse(f"the output cannot be written: {error.strerror}")
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _worked(parse: Callable[[], Namespace]) -> int:
    """Parse and do the work; its exit code."""
    try:
        found = parse()
        code: int = found.work(found)
    except SystemExit as end:  # argparse, behind a help page
        return end.code if isinstance(end.code, int) else OK
    return code


def _close_output() -> None:
    """What is left of the output goes nowhere, so that its end does not complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def on_a_terminal() -> bool:
    """Whether the wizard can be drawn here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _complete() -> None:
    """Answer the shell, and end."""
    import argcomplete

    from wizard_tui.cli.commands import ROOT
    from wizard_tui.cli.parser import Parser

    parser = Parser(ROOT, prog=PROGRAM)
    parser.fill(os.environ["COMP_LINE"].split(), to_complete=True)
    argcomplete.autocomplete(parser)


def _refuse(sentence: str) -> int:
    line = " ".join(sentence.split()).rstrip(".")
    sys.stderr.write("".join(char if char.isprintable() else "?" for char in f"vllm-wizard-tui: {line}") + "\n")
    return USAGE
