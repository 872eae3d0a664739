"""The vLLM installed on this machine, as a service of the user's systemd."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wizard_tui.launch import listeners, process
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import LOOK_S, Machine
from wizard_tui.launch.record import Record
from wizard_tui.launch.ways import programs
from wizard_tui.launch.ways.process import Process, serve_command
from wizard_tui.launch.ways.way import Launch, LaunchError, Way, ended_by, need
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig

_SERVICE_VARIABLES = (
    "PATH", "HOME", "HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "HF_ENDPOINT", "VLLM_API_KEY", "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "LD_LIBRARY_PATH",
)  # fmt: skip


class Systemd(Way):
    """A transient user unit, whose name no other unit has."""

    name = "systemd"
    in_container = False
    _vllm = Process()

    def look(self, config: VLLMConfig | None, environ: Mapping[str, str]) -> Machine:
        """Which vLLM is installed, and whether user services run here."""
        return replace(self._vllm.look(config, environ), user_services=_user_services())

    def checks(self, machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
        """What a process needs, and user services."""
        yield from self._vllm.checks(machine, response)
        if machine.user_services is False:
            cure = "log in with a session bus (not through sudo), or start it as a process"
            yield Check("systemd", "bad", "no user services run here", cure)

    def start(self, launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
        """Start the unit; its name is the handle."""
        # variables are named without values: systemd-run takes those from its own environment
        passed = [name for name in _SERVICE_VARIABLES if name in environ]
        _run(
            [
                *("systemd-run", "--user", "--collect", f"--unit={record.unit}"),
                *(f"--setenv={name}" for name in passed),
                *("--property", f"StandardOutput=append:{record.log}"),
                *("--property", f"StandardError=append:{record.log}"),
                *("--property", "KillSignal=SIGINT", "--property", "TimeoutStopSec=45"),
                *("--", *serve_command(launch, environ)),
            ],
            environ,
        )
        return replace(record, handle=record.unit)

    def made(self, record: Record) -> bool:
        """Whether the handle is the unit named after the log, without a client."""
        return record.handle == record.unit and not record.client

    def is_running(self, record: Record) -> bool:
        """Whether the unit is active."""
        return programs.asked(["systemctl", "--user", "is-active", "--", record.unit]) == "active"

    def exit_text(self, record: Record) -> str:
        """Unknown: the unit is gone once it has ended."""
        return ""

    def stop(self, record: Record) -> bool:
        """Stop the unit: by SIGINT, as its properties say."""
        return ended_by(self, record, [["systemctl", "--user", "stop", "--", record.unit]])

    def owns(self, record: Record, host: str, port: int) -> bool | None:
        """Whether processes of the unit hold the sockets that listen there."""
        asked = ["systemctl", "--user", "show", "--property=ControlGroup", "--value", "--", record.unit]
        group = programs.asked(asked)
        return listeners.belongs_to(host, port, process.in_control_group(group)) if group else None


def _user_services() -> bool:
    if shutil.which("systemd-run") is None:
        return False
    done = programs.ran(["systemctl", "--user", "is-system-running"], LOOK_S)
    # where some unit has failed, it answers with an exit code of failure
    return done is not None and (done.stdout or done.stderr).strip() in ("running", "degraded", "starting")


def _run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a program that starts something and returns. Raises LaunchError with the last line it printed."""
    need(arguments[0], environ)
    try:
        ran = subprocess.run(
            arguments, env=environ, capture_output=True, text=True, errors="replace",
            timeout=programs.STOP_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        seconds = programs.STOP_S
        raise LaunchError(f"{arguments[0]} did not answer within {seconds:g} s; is its service well?") from None
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
        raise LaunchError(f"{arguments[0]} refused: {said[-1]}")
