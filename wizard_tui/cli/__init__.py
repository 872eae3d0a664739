"""The command `vllm-wizard-tui`: without a command the wizard, with one the same core without a screen."""

from __future__ import annotations

import os
import sys

OK, PROBLEM, USAGE = 0, 1, 2
INTERRUPTED = 130


def main() -> None:
    """Run the command line; what the user can put right is one sentence on stderr and exit code 2."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command line; its exit code."""
    if not arguments and on_a_terminal():
        # the usual start: the command line's own library would cost a tenth of it
        from wizard_tui.tui.app import run as run_wizard

        run_wizard()
        return OK
    from wizard_tui.cli.commands import app
    from wizard_tui.cli.options import UsageError

    try:
        code = app(arguments, prog_name="vllm-wizard-tui", standalone_mode=False)
        sys.stdout.flush()
    except UsageError as error:
        return _refuse(str(error))
    except BrokenPipeError:
        # the reader, such as `head`, has had enough; closing stdout again at exit must not complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        # typer's own errors have no public base class in all its versions, but all of them this method
        if not hasattr(error, "format_message"):
            raise
        return _refuse(error.format_message())
    return code if isinstance(code, int) else OK


def on_a_terminal() -> bool:
    """Whether the wizard can be drawn here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _refuse(sentence: str) -> int:
    line = " ".join(sentence.split()).rstrip(".")
    sys.stderr.write("".join(char if char.isprintable() else "?" for char in f"vllm-wizard-tui: {line}") + "\n")
    return USAGE
