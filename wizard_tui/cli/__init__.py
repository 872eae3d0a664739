"""The command `vllm-wizard-tui`: without a subcommand the wizard, with one the same core without a screen."""

from __future__ import annotations

import errno
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

OK, PROBLEM, USAGE = 0, 1, 2
INTERRUPTED = 130
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
PROGRAM = "vllm-wizard-tui"


def main() -> None:
    """Run the command line; an error the user can put right is one sentence on stderr and exit code 2."""
    # objects made at the start stay: collecting garbage among them, then and at the end, takes a sixth of a plan's time
    gc.disable()
    nowhere = _open_what_is_closed()
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    code = _refuse("stdout is closed; send it to a file, or to /dev/null") if nowhere else run(sys.argv[1:])
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except OSError:
            _close_output(file)
    gc.freeze()
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line; its exit code. A fault of ours is one sentence and a file that can be shown, and code 70."""
    try:
        return _answered(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        from wizard_tui.tui import crash

        return crash.report(error)


def _answered(arguments: list[str]) -> int:
    if not arguments and on_a_terminal():
        # the usual start: loading the command-line parser would cost a twentieth of it
        return _worked(_wizard)
    from wizard_tui.cli.commands import ROOT
    from wizard_tui.cli.parser import UsageError, parsed

    def work() -> int:
        found = parsed(ROOT, PROGRAM, arguments)
        code: int = found.work(found)
        return code

    try:
        code = _worked(work)
        sys.stdout.flush()
    except UsageError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # the reader, such as `head`, has had enough
        _close_output(sys.stdout)
        return OK
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _close_output(sys.stdout)
        return _refuse(f"the output cannot be written: {error.strerror}")
    return code


def _wizard() -> int:
    from wizard_tui.cli.early_keys import kept_as_typed

    with kept_as_typed():
        from wizard_tui.tui.app import run as run_wizard

        gc.enable()
        run_wizard()
    return OK


def _worked(work: Callable[[], int]) -> int:
    """Do the work; its exit code."""
    try:
        return work()
    except SystemExit as end:  # from argparse after a help page, and from a wizard that its user did not leave
        return end.code if isinstance(end.code, int) else OK


def _open_what_is_closed() -> bool:
    """Put the null device where stdin, stdout and stderr are closed; whether stdout was.

    Otherwise the next file opened would get such a number, and be read and written in place of the stream. A command
    that reads stdin still finds that there is none.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in closed:
        # it gets the lowest free number, which is its own
        if name == "stdin":
            os.open(os.devnull, os.O_RDONLY)
        else:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    return "stdout" in closed


def _close_output(file: TextIO) -> None:
    """Discard the rest of an output, so that closing it neither complains again nor changes the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def on_a_terminal() -> bool:
    """Whether the wizard can be drawn here."""
    # stdin may be closed, as by `<&-`
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


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
