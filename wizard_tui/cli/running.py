"""`servers` and `calibration`: what runs, and what earlier starts have shown."""

from __future__ import annotations

from argparse import Namespace

from wizard_tui.cli import completion
from wizard_tui.cli.parser import Command, Parser, UsageError


def servers(found: Namespace) -> int:
    """List the servers that were started from here; stop one, or read its log.

    Without a command those that still run are listed.
    """
    from wizard_tui.cli import servers as work

    work.list_servers(as_json=found.json)
    return 0


def stop(found: Namespace) -> int:
    """Stop a server; one that does not listen is ended."""
    from wizard_tui.cli import servers as work

    work.stop_server(found.name)
    return 0


def log(found: Namespace) -> int:
    """Print what a server has written so far."""
    from wizard_tui.cli import servers as work

    work.print_log(found.name)
    return 0


def calibration(found: Namespace) -> int:
    """Show or forget what starts on this machine have taught: it corrects the next plan."""
    raise UsageError("say what to do with the calibration: show or clear; see --help")


def show(found: Namespace) -> int:
    """List what was observed."""
    from wizard_tui.cli import servers as work

    work.show_calibration(as_json=found.json)
    return 0


def clear(found: Namespace) -> int:
    """Forget all that was observed; the next plan is not corrected."""
    from wizard_tui.cli import servers as work

    work.clear_calibration()
    return 0


def _as_json(parser: Parser) -> None:
    parser.option("--json", action="store_true", help="print JSON")


def _name(parser: Parser) -> None:
    parser.option(
        "name",
        completer=completion.servers,
        help="name of the server, as `servers` lists it",
        heading="Arguments",
    )


SERVERS = Command(
    "Run",
    servers,
    _as_json,
    commands={"stop": Command("Commands", stop, _name), "log": Command("Commands", log, _name)},
)
CALIBRATION = Command(
    "Check",
    calibration,
    commands={"show": Command("Commands", show, _as_json), "clear": Command("Commands", clear)},
)
