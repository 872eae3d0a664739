"""The commands. Each imports what it needs when it runs, so that `plan` starts without Textual."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from wizard_tui import __version__
from wizard_tui.cli import on_a_terminal
from wizard_tui.cli.models import app as models
from wizard_tui.cli.options import Asked, UsageError, takes_request
from wizard_tui.cli.running import calibration, servers
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.schemas.profile import Profile

app = typer.Typer(
    name="vllm-wizard-tui",
    help="Plan, write, launch and check a vLLM server. Without a command the wizard opens.",
    epilog="Sizes are GiB (2^30 bytes). Exit codes: 0 done, 1 a check failed, 2 wrong input.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(models, name="models")
app.add_typer(servers, name="servers")
app.add_typer(calibration, name="calibration")
WAY = Annotated[str, typer.Option("--way", help="how to start it: process, docker, compose or systemd")]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"vllm-wizard-tui {__version__}\n")
        raise typer.Exit


@app.callback()
def wizard(
    context: typer.Context,
    profile: Annotated[Path | None, typer.Option("--profile", "-p", help="open the wizard with this profile")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="do not go on where the last session ended")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="ask question by question, for line terminals and screen readers")
    ] = False,
    mouse: Annotated[bool, typer.Option("--mouse/--no-mouse", help="take mouse clicks and scrolling")] = True,
    version: Annotated[
        bool, typer.Option("--version", "-v", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Open the wizard when no command is given."""
    if context.invoked_subcommand is not None:
        return
    from wizard_tui.schemas.profile import load_profile

    try:
        loaded = load_profile(profile) if profile is not None else None
    except ValueError as error:
        raise UsageError(str(error)) from None
    if plain:
        _ask_plainly(loaded)
        return
    if not on_a_terminal():
        raise UsageError("the wizard draws on a terminal, which this is not; use --plain, or plan (see --help)")
    from wizard_tui.tui.app import run

    run(profile=loaded, fresh=fresh, mouse=mouse)


def _ask_plainly(profile: Profile | None) -> None:
    from wizard_tui.tui.plain import run_plain
    from wizard_tui.tui.session import Session

    session = Session()
    if profile is not None:
        session.open_profile(profile)
    try:
        # questions go to stderr, so that `$(vllm-wizard-tui --plain)` is the command alone
        command = run_plain(session, _asked_on_stderr, lambda line: print(_safe(line), file=sys.stderr))
    except EOFError:
        raise UsageError("the questions were not answered to the end; nothing was planned") from None
    sys.stdout.write(command.rstrip("\n") + "\n" if command else "")


def _asked_on_stderr(question: str) -> str:
    sys.stderr.write(_safe(question))
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer


def _safe(line: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in line)


@app.command()
@takes_request
def plan(
    asked: Asked,
    explain: Annotated[bool, typer.Option("--explain", help="give a reason for every flag")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the whole plan as JSON")] = False,
    batch: Annotated[
        Path | None,
        typer.Option("--batch", help="plan one request in JSON a line of this file (- is stdin); one response a line"),
    ] = None,
) -> None:
    """Say whether a model fits, how to run it, and how fast it will be."""
    if batch is not None:
        from wizard_tui.cli.batch import plan_lines

        if not asked.nothing:
            raise UsageError("--batch takes its requests from the file alone; leave the other options out")
        raise typer.Exit(plan_lines(batch))
    request, response = _planned(asked.profile())
    if as_json:
        sys.stdout.write(response.model_dump_json(indent=2) + "\n")
    else:
        from wizard_tui.cli.report import print_plan

        print_plan(request, response)


@app.command()
@takes_request
def generate(
    asked: Asked,
    output_dir: Annotated[
        Path | None, typer.Option("--output-dir", "-o", help="directory for the files; made when it is missing")
    ] = None,
    emit: Annotated[
        str | None,
        typer.Option("--emit", help="what to write, by commas, or all (serve,profile)", metavar="NAMES"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that somebody changed")] = False,
) -> None:
    """Write the plan's command, manifests and profile to a directory."""
    from wizard_tui.launch.deployment import deployment_files
    from wizard_tui.launch.writer import Conflict, write_files

    profile = asked.profile()
    if profile.outputs.output_dir is None:
        raise UsageError("no directory is given; add --output-dir DIR")
    request, response = _planned(profile)
    folder = Path(profile.outputs.output_dir).expanduser()
    try:
        written = write_files(folder, deployment_files(request, response, profile.outputs.emit), force=force)
    except Conflict as error:
        sys.stderr.write(error.diff)
        raise UsageError(f"{error}; add --force to replace it") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        problem = error.strerror or error
        raise UsageError(f"{folder} cannot be written: {problem}; make room there, or give another directory") from None
    sys.stdout.write("".join(f"{path}\n" for path in written))
    sys.stdout.write(f"{response.feasibility.verdict}\n")
    for warning in response.feasibility.warnings:
        sys.stderr.write(f"warning: {warning}\n")


@app.command()
@takes_request
def verify(
    asked: Asked,
    log: Annotated[
        Path, typer.Argument(help="what vLLM printed at its start; - reads it from a pipe", metavar="LOGFILE")
    ],
    keep: Annotated[
        bool, typer.Option("--keep", help="correct the next plan on this machine by what the log shows")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the comparison as JSON")] = False,
) -> None:
    """Hold the plan against what vLLM printed at its start.

    The log says how the server was started; options and --profile add what it does not say, such as the GPU.
    """
    from wizard_tui.cli.compare import verify_log

    raise typer.Exit(verify_log(log, asked, as_json=as_json, keep=keep))


@app.command()
@takes_request
def doctor(
    asked: Asked,
    way: WAY = "process",
    as_json: Annotated[bool, typer.Option("--json", help="print the checks as JSON")] = False,
) -> None:
    """Say what would keep a server from starting here, each with its cure.

    With a model or a profile also what that very server needs: memory, disk, port, access to its repository.
    """
    from wizard_tui.cli.servers import doctor as ask

    raise typer.Exit(ask(asked, way, as_json=as_json))


@app.command()
@takes_request
def launch(
    asked: Asked,
    way: WAY = "process",
    detach: Annotated[bool, typer.Option("--detach", help="let it run on when it is ready")] = False,
    force: Annotated[bool, typer.Option("--force", help="start it although doctor would not")] = False,
    load: Annotated[bool, typer.Option("--load", help="measure it at the planned concurrency")] = False,
    show_log: Annotated[bool, typer.Option("--log", help="show what it prints")] = False,
) -> None:
    """Start a server, follow its start, hold it against the plan and ask it something.

    It runs until ctrl+c, unless --detach is given; then `servers` finds it again.
    """
    from wizard_tui.cli.servers import launch as start

    raise typer.Exit(start(asked, way, detach=detach, force=force, load=load, show_log=show_log))


@app.command()
def detect(
    as_json: Annotated[bool, typer.Option("--json", help="print the GPUs as JSON")] = False,
) -> None:
    """Show the GPUs of this machine as their driver tells of them."""
    from wizard_tui.hardware.detect import detect as ask

    found = ask()
    if as_json:
        sys.stdout.write(json.dumps(asdict(found), indent=2) + "\n")
    else:
        from wizard_tui.cli.report import print_detection

        print_detection(found)


def _planned(profile: Profile) -> tuple[PlanRequest, PlanResponse]:
    from wizard_tui.planning.planner import run_plan

    request = profile.request()
    try:
        return request, run_plan(request)
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
