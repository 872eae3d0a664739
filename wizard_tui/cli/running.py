"""`servers` and `calibration`: what runs, and what earlier starts have shown."""

from __future__ import annotations

from typing import Annotated

import typer

from wizard_tui.cli import completion
from wizard_tui.cli.pages import Page, group

servers = group(invoke_without_command=True)
calibration = group(help="Show or forget what starts on this machine have taught: it corrects the next plan.")

NAME = Annotated[
    str,
    typer.Argument(metavar="NAME", help="name of the server, as `servers` lists it", autocompletion=completion.servers),
]
AS_JSON = Annotated[bool, typer.Option("--json", help="print JSON")]


@servers.callback()
def list_servers(context: typer.Context, as_json: AS_JSON = False) -> None:
    """List the servers that were started from here; stop one, or read its log.

    Without a command those that still run are listed.
    """
    if context.invoked_subcommand is None:
        from wizard_tui.cli import servers as work

        work.list_servers(as_json=as_json)


@servers.command("stop", cls=Page)
def stop(name: NAME) -> None:
    """Stop a server; one that does not listen is ended."""
    from wizard_tui.cli import servers as work

    work.stop_server(name)


@servers.command("log", cls=Page)
def log(name: NAME) -> None:
    """Print what a server has written so far."""
    from wizard_tui.cli import servers as work

    work.print_log(name)


@calibration.command("show", cls=Page)
def show(as_json: AS_JSON = False) -> None:
    """List what was observed."""
    from wizard_tui.cli import servers as work

    work.show_calibration(as_json=as_json)


@calibration.command("clear", cls=Page)
def clear() -> None:
    """Forget all that was observed; the next plan is not corrected."""
    from wizard_tui.cli import servers as work

    work.clear_calibration()
