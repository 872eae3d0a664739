"""`servers` and `calibration`: what runs, and what earlier starts have shown."""

from __future__ import annotations

from typing import Annotated

import typer

servers = typer.Typer(help="Servers that were started from here.", invoke_without_command=True)
calibration = typer.Typer(help="What starts on this machine have shown, which corrects the next plan.")

NAME = Annotated[str, typer.Argument(help="name of the server, as `servers` lists it")]
AS_JSON = Annotated[bool, typer.Option("--json", help="print JSON")]


@servers.callback()
def list_servers(context: typer.Context, as_json: AS_JSON = False) -> None:
    """List the servers that were started from here and still run."""
    if context.invoked_subcommand is None:
        from wizard_tui.cli import servers as work

        work.list_servers(as_json=as_json)


@servers.command("stop")
def stop(name: NAME) -> None:
    """Stop a server: it is asked first, and ended when it does not listen."""
    from wizard_tui.cli import servers as work

    work.stop_server(name)


@servers.command("log")
def log(name: NAME) -> None:
    """Print what a server has said so far."""
    from wizard_tui.cli import servers as work

    work.print_log(name)


@calibration.command("show")
def show(as_json: AS_JSON = False) -> None:
    """List what was observed."""
    from wizard_tui.cli import servers as work

    work.show_calibration(as_json=as_json)


@calibration.command("clear")
def clear() -> None:
    """Forget all that was observed; the next plan is not corrected."""
    from wizard_tui.cli import servers as work

    work.clear_calibration()
