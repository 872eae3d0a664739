"""The commands. Each is made when it is asked for and imports what it needs when it runs: `plan` must start at once."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from wizard_tui import __version__
from wizard_tui.cli import completion, on_a_terminal
from wizard_tui.cli.options import Asked, UsageError, takes_request
from wizard_tui.cli.pages import Maker, Table, alone, elsewhere, examples, group
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.schemas.profile import Profile

WAY = Annotated[
    str,
    typer.Option(
        "--way", metavar="[process|docker|compose|systemd]", help="how to start it", autocompletion=completion.ways
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"vllm-wizard-tui {__version__}\n")
        raise typer.Exit


def wizard(
    context: typer.Context,
    profile: Annotated[
        Path | None, typer.Option("--profile", "-p", metavar="FILE", help="open the wizard with this profile")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="begin anew, not where the last session ended")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="ask question by question, for line terminals and screen readers")
    ] = False,
    mouse: Annotated[
        bool,
        typer.Option("--mouse/--no-mouse", show_default=False, help="take mouse clicks and scrolling [default: on]"),
    ] = True,
    version: Annotated[
        bool, typer.Option("--version", "-v", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    """Plan, write, launch and check a vLLM server.

    Without a command the wizard opens, which asks for model, hardware, workload and policy and plans on every key.
    """
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


def plan(
    asked: Asked,
    explain: Annotated[bool, typer.Option("--explain", help="give a reason for every flag")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the whole response as JSON")] = False,
    batch: Annotated[
        Path | None,
        typer.Option(
            "--batch",
            metavar="FILE",
            help="one request in JSON a line (- is stdin), one response in JSON a line on stdout",
        ),
    ] = None,
) -> None:
    """Say whether a model fits, how to run it, and how fast it will be.

    Nothing is started, and of the model only its config and the heads of its tensor files are read. A plan that does
    not fit is an answer too: the exit code is 0.
    """
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


def generate(
    asked: Asked,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", metavar="DIR", help="directory for the files; made when it is missing"),
    ] = None,
    emit: Annotated[
        str | None,
        typer.Option(
            "--emit",
            metavar="NAMES",
            help="what to write, such as serve,compose,k8s, or all [default: serve,profile]",
            autocompletion=completion.artifacts,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that somebody changed")] = False,
) -> None:
    """Write the files that start the server: script, Compose, Kubernetes and others.

    A file that somebody changed since is kept; the difference is shown, and --force replaces it.
    """
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
    """Compare a plan with what vLLM printed at its start.

    The log says how the server was started; options and --profile add what it does not say, such as the GPU. The exit
    code is 1 when a figure lies outside its band.
    """
    from wizard_tui.cli.compare import verify_log

    raise typer.Exit(verify_log(log, asked, as_json=as_json, keep=keep))


def doctor(
    asked: Asked,
    way: WAY = "process",
    as_json: Annotated[bool, typer.Option("--json", help="print the checks as JSON")] = False,
) -> None:
    """Say what would keep a server from starting here, each with its cure.

    With a model or a profile also what that very server needs: memory, disk, port, access to its repository. The exit
    code is 1 when something would stop the start.
    """
    from wizard_tui.cli.servers import doctor as ask

    raise typer.Exit(ask(asked, way, as_json=as_json))


def launch(
    asked: Asked,
    way: WAY = "process",
    detach: Annotated[bool, typer.Option("--detach", help="leave it running once it is ready")] = False,
    force: Annotated[bool, typer.Option("--force", help="start it although doctor would not")] = False,
    load: Annotated[bool, typer.Option("--load", help="measure it at the planned concurrency")] = False,
    show_log: Annotated[bool, typer.Option("--log", help="show what it prints")] = False,
) -> None:
    """Start a server, watch it start, compare it with its plan and ask it something.

    It runs until ctrl+c, unless --detach is given; then `servers` finds it again. The exit code is 1 when the server
    ended by itself.
    """
    from wizard_tui.cli.servers import launch as start

    raise typer.Exit(start(asked, way, detach=detach, force=force, load=load, show_log=show_log))


def detect(
    as_json: Annotated[bool, typer.Option("--json", help="print the GPUs as JSON")] = False,
) -> None:
    """Show the GPUs of this machine, as the driver tells of them."""
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


class _All(Table):
    makers: ClassVar[Mapping[str, tuple[str, Maker]]] = {
        "plan": (
            "Plan",
            lambda: alone(
                takes_request(plan),
                "vllm-wizard-tui plan -m Qwen/Qwen3-8B",
                'vllm-wizard-tui plan -m Qwen/Qwen3-32B --gpu "H100 80GB" --gpus 2 --explain',
                "vllm-wizard-tui plan -m ./my-model --gpu RTX-4090 --json | jq .feasibility",
            ),
        ),
        "generate": (
            "Plan",
            lambda: alone(
                takes_request(generate),
                "vllm-wizard-tui generate -m Qwen/Qwen3-8B -o deploy",
                "vllm-wizard-tui generate -p deploy/profile.yaml -o deploy --emit compose,k8s",
            ),
        ),
        "models": ("Plan", lambda: elsewhere("models")),
        "detect": ("Plan", lambda: alone(detect)),
        "doctor": (
            "Run",
            lambda: alone(
                takes_request(doctor),
                "vllm-wizard-tui doctor",
                "vllm-wizard-tui doctor -m Qwen/Qwen3-8B --port 9000 --way docker",
            ),
        ),
        "launch": (
            "Run",
            lambda: alone(
                takes_request(launch),
                "vllm-wizard-tui launch -m Qwen/Qwen3-8B",
                "vllm-wizard-tui launch -p deploy/profile.yaml --way docker --detach",
            ),
        ),
        "servers": ("Run", lambda: elsewhere("running", "servers")),
        "verify": (
            "Check",
            lambda: alone(
                takes_request(verify),
                "vllm-wizard-tui verify vllm.log --gpu H100-80GB",
                "docker logs my-vllm 2>&1 | vllm-wizard-tui verify - -p deploy/profile.yaml",
            ),
        ),
        "calibration": ("Check", lambda: elsewhere("running", "calibration")),
    }


_EXAMPLES = examples(
    "vllm-wizard-tui                          the wizard",
    "vllm-wizard-tui plan -m Qwen/Qwen3-8B    does it fit on the GPUs here?",
    "vllm-wizard-tui plan --help              every option",
)
_CODES = """
\b
Results go to stdout, everything else to stderr. Sizes are GiB (2^30 bytes).
Exit codes: 0 done; 1 a check failed, or a server ended; 2 the input cannot be
used; 130 interrupted.
"""

app = group(_All, completion=True, invoke_without_command=True)
app.callback(epilog=_EXAMPLES + _CODES)(wizard)
