"""The command `vllm-wizard-tui`: without a command the wizard, with one the same core without a screen."""

from __future__ import annotations

import gc
import os
import sys

OK, PROBLEM, USAGE = 0, 1, 2
INTERRUPTED = 130
PROGRAM = "vllm-wizard-tui"


def main() -> None:
    """Run the command line; what the user can put right is one sentence on stderr and exit code 2."""
    gc.disable()  # what a start makes, stays: to look for garbage among it takes a twentieth of its time
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    sys.exit(run(sys.argv[1:]))


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
        found = parsed(ROOT, PROGRAM, arguments)
        code: int = found.work(found)
        sys.stdout.flush()
    except UsageError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # the reader, such as `head`, has had enough; closing stdout again at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:  # argparse, behind a help page
        return end.code if isinstance(end.code, int) else OK
    return code


def on_a_terminal() -> bool:
    """Whether the wizard can be drawn here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _complete() -> None:
    """Answer the shell, and end."""
    import argcomplete

    from wizard_tui.cli.commands import ROOT
    from wizard_tui.cli.parser import Parser

    parser = Parser(ROOT, prog=PROGRAM)
    parser.fill()
    argcomplete.autocomplete(parser)


def _refuse(sentence: str) -> int:
    line = " ".join(sentence.split()).rstrip(".")
    sys.stderr.write("".join(char if char.isprintable() else "?" for char in f"vllm-wizard-tui: {line}") + "\n")
    return USAGE
