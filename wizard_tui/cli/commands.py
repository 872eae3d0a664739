"""The commands. Each imports what it needs when it runs: `plan` must start at once, and without Textual."""

from __future__ import annotations

import gc
import json
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from wizard_tui.cli import completion, models, on_a_terminal, running
from wizard_tui.cli.options import add_request, asked
from wizard_tui.cli.parser import Command, Parser, UsageError
from wizard_tui.errors import Refusal
from wizard_tui.files import expanded
from wizard_tui.version import __version__

if TYPE_CHECKING:
    from wizard_tui.schemas.inputs import PlanRequest
    from wizard_tui.schemas.outputs import PlanResponse
    from wizard_tui.schemas.profile import Profile

OK = 0


def wizard(found: Namespace) -> int:
    """Plan, write, launch and check a vLLM server.

    Without a command the wizard opens, which asks for model, hardware, workload and policy and plans on every key.
    """
    if found.version:
        sys.stdout.write(f"vllm-wizard-tui {__version__}\n")
        return OK
    from wizard_tui.schemas.profile import load_profile

    try:
        profile = load_profile(Path(found.profile)) if found.profile is not None else None
    except Refusal as error:
        raise UsageError(str(error)) from None
    if found.plain:
        _ask_plainly(profile)
        return OK
    if not on_a_terminal():
        raise UsageError("the wizard draws on a terminal, which this is not; use --plain, or plan (see --help)")
    from wizard_tui.cli.early_keys import kept_as_typed

    with kept_as_typed():
        from wizard_tui.tui.app import run

        gc.enable()
        run(profile=profile, fresh=found.fresh, mouse=found.mouse)
    return OK


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
    answer = sys.stdin.readline() if sys.stdin is not None else ""
    if not answer:
        raise EOFError
    return answer


def _safe(line: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in line)


def plan(found: Namespace) -> int:
    """Say whether a model fits, how to run it, and how fast it will be.

    Nothing is started, and of the model only its config and the heads of its tensor files are read. A plan that does
    not fit is an answer too: the exit code is 0.
    """
    question = asked(found)
    if found.batch is not None:
        from wizard_tui.cli.batch import plan_lines

        if not question.nothing:
            raise UsageError("--batch takes its requests from the file alone; leave the other options out")
        gc.enable()
        return plan_lines(Path(found.batch))
    request, response = _planned(question.request())
    if found.json:
        sys.stdout.write(response.model_dump_json(indent=2) + "\n")
    else:
        from wizard_tui.cli.report import print_plan

        print_plan(request, response)
    return OK


def generate(found: Namespace) -> int:
    """Write the files that start the server: script, Compose, Kubernetes and others.

    A file that somebody changed since is kept; the difference is shown, and --force replaces it.
    """
    from wizard_tui.launch.deployment import deployment_files
    from wizard_tui.launch.writer import Conflict, write_files

    profile = asked(found).profile()
    if profile.outputs.output_dir is None:
        raise UsageError("no directory is given; add --output-dir DIR")
    request, response = _planned(profile.request())
    folder = Path(profile.outputs.output_dir)
    try:
        folder = expanded(profile.outputs.output_dir)
        files = deployment_files(request, response, profile.outputs.emit)
        written = write_files(folder, files, force=found.force)
    except Conflict as error:
        sys.stderr.write(error.diff)
        raise UsageError(f"{error}; add --force to replace it") from None
    except Refusal as error:
        raise UsageError(str(error)) from None
    except OSError as error:
        problem = error.strerror or error
        raise UsageError(f"{folder} cannot be written: {problem}; make room there, or give another directory") from None
    sys.stdout.write("".join(f"{path}\n" for path in written))
    sys.stdout.write(f"{response.feasibility.verdict}\n")
    for warning in response.feasibility.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    return OK


def verify(found: Namespace) -> int:
    """Compare a plan with what vLLM printed at its start.

    The log says how the server was started; options and --profile add what it does not say, such as the GPU. The exit
    code is 1 when a figure lies outside its band or the start failed.
    """
    from wizard_tui.cli.compare import verify_log

    return verify_log(Path(found.logfile), asked(found), as_json=found.json, keep=found.keep)


def doctor(found: Namespace) -> int:
    """Say what would keep a server from starting here, each with its cure.

    With a model or a profile also what that very server needs: memory, disk, port, access to its repository. The exit
    code is 1 when something would stop the start.
    """
    from wizard_tui.cli.servers import doctor as ask

    return ask(asked(found), found.way, as_json=found.json)


def launch(found: Namespace) -> int:
    """Start a server, watch it start, compare it with its plan and ask it something.

    It runs until ctrl+c, unless --detach is given; then `servers` finds it again. The exit code is 1 when the server
    ended by itself.
    """
    from wizard_tui.cli.servers import launch as start

    gc.enable()
    return start(asked(found), found.way, detach=found.detach, force=found.force, load=found.load, show_log=found.log)


def detect(found: Namespace) -> int:
    """Show the GPUs of this machine, as the driver tells of them."""
    from wizard_tui.hardware.detect import detect as ask

    here = ask()
    if found.json:
        sys.stdout.write(json.dumps(asdict(here), indent=2) + "\n")
    else:
        from wizard_tui.cli.report import print_detection

        print_detection(here)
    return OK


def complete(found: Namespace) -> int:
    """Print what lets a shell complete this command: its options, GPUs, models and artifacts.

    Have it evaluated where the shell starts: in ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish.
    """
    sys.stdout.write(completion.shell_code(found.shell))
    return OK


def _planned(request: PlanRequest) -> tuple[PlanRequest, PlanResponse]:
    from wizard_tui.planning.planner import run_plan

    try:
        return request, run_plan(request)
    except (Refusal, OSError) as error:
        raise UsageError(str(error)) from None


def _wizard_options(parser: Parser) -> None:
    parser.option("-p", "--profile", metavar="FILE", help="open the wizard with this profile")
    parser.option("--fresh", action="store_true", help="begin anew, not where the last session ended")
    parser.option(
        "--plain", action="store_true", help="ask question by question, for line terminals and screen readers"
    )
    parser.option("--no-mouse", dest="mouse", action="store_false", help="leave the mouse to the terminal")
    parser.option("-v", "--version", action="store_true", help="print the version")


def _plan_options(parser: Parser) -> None:
    parser.option("--explain", action="store_true", help="give a reason for every flag")
    parser.option("--json", action="store_true", help="print the whole response as JSON")
    parser.option(
        "--batch", metavar="FILE", help="one request in JSON a line (- is stdin), one response in JSON a line on stdout"
    )
    add_request(parser)


def _generate_options(parser: Parser) -> None:
    parser.option("-o", "--output-dir", metavar="DIR", help="directory for the files; made when it is missing")
    parser.option(
        "--emit",
        metavar="NAMES",
        completer=completion.artifacts,
        help="what to write, such as serve,compose,k8s, or all [default: serve,profile]",
    )
    parser.option("--force", action="store_true", help="replace files that somebody changed")
    add_request(parser)


def _verify_options(parser: Parser) -> None:
    parser.option("logfile", help="what vLLM printed at its start; - reads it from a pipe", heading="Arguments")
    parser.option("--keep", action="store_true", help="correct the next plan on this machine by what the log shows")
    parser.option("--json", action="store_true", help="print the comparison as JSON")
    add_request(parser)


def _doctor_options(parser: Parser) -> None:
    _way(parser)
    parser.option("--json", action="store_true", help="print the checks as JSON")
    add_request(parser)


def _launch_options(parser: Parser) -> None:
    _way(parser)
    parser.option("--detach", action="store_true", help="leave it running once it is ready")
    parser.option("--force", action="store_true", help="start it although doctor would not")
    parser.option("--load", action="store_true", help="measure it at the planned concurrency")
    parser.option("--log", action="store_true", help="show what it prints")
    add_request(parser)


def _detect_options(parser: Parser) -> None:
    parser.option("--json", action="store_true", help="print the GPUs as JSON")


def _way(parser: Parser) -> None:
    parser.option(
        "--way",
        default="process",
        metavar="WAY",
        completer=completion.ways,
        help="process, docker, compose or systemd [default: process]",
    )


ROOT = Command(
    "",
    wizard,
    _wizard_options,
    (
        "vllm-wizard-tui                          the wizard",
        "vllm-wizard-tui plan -m Qwen/Qwen3-8B    does it fit on the GPUs here?",
        "vllm-wizard-tui plan --help              every option",
    ),
    {
        "plan": Command(
            "Plan",
            plan,
            _plan_options,
            (
                "vllm-wizard-tui plan -m Qwen/Qwen3-8B",
                'vllm-wizard-tui plan -m Qwen/Qwen3-32B --gpu "H100 80GB" --gpus 2 --explain',
                "vllm-wizard-tui plan -m ./my-model --gpu RTX-4090 --json | jq .feasibility",
            ),
        ),
        "generate": Command(
            "Plan",
            generate,
            _generate_options,
            (
                "vllm-wizard-tui generate -m Qwen/Qwen3-8B -o deploy",
                "vllm-wizard-tui generate -p deploy/profile.yaml -o deploy --emit compose,k8s",
            ),
        ),
        "models": models.COMMAND,
        "detect": Command("Plan", detect, _detect_options),
        "doctor": Command(
            "Run",
            doctor,
            _doctor_options,
            ("vllm-wizard-tui doctor", "vllm-wizard-tui doctor -m Qwen/Qwen3-8B --port 9000 --way docker"),
        ),
        "launch": Command(
            "Run",
            launch,
            _launch_options,
            (
                "vllm-wizard-tui launch -m Qwen/Qwen3-8B",
                "vllm-wizard-tui launch -p deploy/profile.yaml --way docker --detach",
            ),
        ),
        "servers": running.SERVERS,
        "verify": Command(
            "Check",
            verify,
            _verify_options,
            (
                "vllm-wizard-tui verify vllm.log --gpu H100-80GB",
                "docker logs my-vllm 2>&1 | vllm-wizard-tui verify - -p deploy/profile.yaml",
            ),
        ),
        "calibration": running.CALIBRATION,
        "completion": Command(
            "Shell",
            complete,
            lambda parser: parser.option(
                "shell", choices=completion.SHELLS, metavar="shell", help="bash, zsh or fish", heading="Arguments"
            ),
            (
                "echo 'eval \"$(vllm-wizard-tui completion bash)\"' >> ~/.bashrc",
                "vllm-wizard-tui completion fish | source",
            ),
        ),
    },
    "Results go to stdout, everything else to stderr. Sizes are GiB (2^30 bytes). "
    "Exit codes: 0 done; 1 a check failed, or a server ended; 2 the input cannot be used; "
    "70 a fault of this program; 130 interrupted.",
)
