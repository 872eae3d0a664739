"""The vLLM installed on this machine, as a process of the user."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace

from wizard_tui.engine.versions import release_of
from wizard_tui.hardware.installed import installed_vllm
from wizard_tui.launch import listeners, process
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.record import Record
from wizard_tui.launch.ways.way import Launch, LaunchError, Way
from wizard_tui.render.arguments import serve_arguments
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig


class Process(Way):
    """`vllm serve`, in a session of its own that outlives this program and its terminal."""

    name = "process"
    in_container = False

    def look(self, config: VLLMConfig | None, environ: Mapping[str, str]) -> Machine:
        """Which vLLM is installed."""
        return Machine(vllm_path=shutil.which("vllm", path=environ.get("PATH")), vllm_version=installed_vllm(environ))

    def checks(self, machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
        """Whether the planned vLLM is on the PATH."""
        planned = response.config.deployment.vllm_version if response is not None else None
        version = machine.vllm_version
        if machine.vllm_path is None:
            cure = "pip install vllm in an environment of its own and activate it, or start it with docker"
            yield Check("vLLM", "bad", "vllm is not on the PATH", cure)
        elif version is None:
            said = f"{machine.vllm_path} does not tell its version"
            yield Check("vLLM", "warn", said, "plan with the version you have")
        elif planned is not None and release_of(version)[:2] != release_of(planned)[:2]:
            cure = f"plan for it: set vllm_version to {version.partition('+')[0]}"
            yield Check("vLLM", "warn", f"{version} is installed, the plan is for {planned}", cure)
        else:
            yield Check("vLLM", "ok", f"{version} at {machine.vllm_path}")

    def start(self, launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
        """Start it; its handle is `pid:start`."""
        return replace(record, handle=process.start(serve_command(launch, environ), record.log_path, environ))

    def made(self, record: Record) -> bool:
        """Whether the handle is that of a process, without a client."""
        return process.is_handle(record.handle) and not record.client

    def is_running(self, record: Record) -> bool:
        """Whether the first process of the session runs."""
        return process.is_running(record.handle)

    def exit_text(self, record: Record) -> str:
        """Its exit code or the signal that ended it."""
        return process.exit_text(record.handle)

    def stop(self, record: Record) -> bool:
        """SIGINT, then SIGTERM, then SIGKILL, each given its time."""
        return process.stop(record.handle, record.log_path)

    def owns(self, record: Record, host: str, port: int) -> bool | None:
        """Whether processes of its session hold the sockets that listen there."""
        pids = [member.pid for member in process.members(record.handle, record.log_path)]
        return listeners.belongs_to(host, port, pids)


def serve_command(launch: Launch, environ: Mapping[str, str]) -> list[str]:
    """`vllm serve` with the vllm on the PATH. Raises LaunchError where there is none."""
    program = shutil.which("vllm", path=environ.get("PATH"))
    if program is None:
        raise LaunchError("vllm is not on the PATH; pip install vllm, activate its environment, or choose docker")
    return [program, "serve", *serve_arguments(launch.config)]
