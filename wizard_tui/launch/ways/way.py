"""What a way to run a server is, and what it gets to start one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wizard_tui.errors import Refusal
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.record import Record
from wizard_tui.launch.ways import programs
from wizard_tui.render.container import instance_name, port_of
from wizard_tui.render.serve import visible_devices
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig

_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104


class LaunchError(Refusal):
    """A server cannot be started or stopped; its text is one plain sentence with the cure."""


@dataclass(frozen=True)
class Launch:
    """What is to be started: a config, the request it was made from, and the environment it gets."""

    config: VLLMConfig
    request: PlanRequest
    environ: Mapping[str, str] = field(repr=False)  # the environment holds tokens, and a traceback may show locals

    @property
    def name(self) -> str:
        """The name of the server, its container or its unit."""
        return instance_name(self.config)

    @property
    def base_url(self) -> str:
        """The address at which this machine asks it."""
        host = self.config.host or "127.0.0.1"
        host = _LOCAL.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port_of(self.config)}"

    def environment(self) -> dict[str, str]:
        """This program's environment with what the config adds: chosen GPUs, and the API key from the user's variable.

        Raises LaunchError where that variable is not set.
        """
        environ = dict(self.environ)
        for pair in visible_devices(self.config):
            variable, _, chosen = pair.partition("=")
            environ[variable] = chosen
        if (key := self.config.deployment.api_key_env) is not None:
            if not environ.get(key):
                raise LaunchError(f"the environment variable {key} is not set; set it to the API key")
            environ["VLLM_API_KEY"] = environ[key]
        return environ


class Way(Protocol):
    """One way to run a server, from what it needs of the machine to how it is ended.

    `name` is the user's word for it. `in_container` says that vLLM comes with the image, so that the vLLM installed
    on the machine does not count.
    """

    name: str
    in_container: bool

    def look(self, config: VLLMConfig | None, environ: Mapping[str, str]) -> Machine:
        """The facts of the machine that only this way depends on; all others are left unknown. Slow."""

    def checks(self, machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
        """Checks for what would keep this way from starting a server."""

    def start(self, launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
        """Start a server with an environment; its record, with the handle. Raises LaunchError and OSError."""

    def made(self, record: Record) -> bool:
        """Whether everything a record names is as this way makes it: a file may hold anything."""

    def is_running(self, record: Record) -> bool:
        """Whether the server still runs."""

    def exit_text(self, record: Record) -> str:
        """How a server that this program started has ended, in words; empty where that is unknown."""

    def stop(self, record: Record) -> bool:
        """End a server; True when it is gone."""

    def owns(self, record: Record, host: str, port: int) -> bool | None:
        """Whether that server answers at an address of this machine; None where the system does not tell."""


def ended_by(way: Way, record: Record, commands: Iterable[Sequence[str]]) -> bool:
    """Run commands that end a server, one after the other until it is gone; True when it is."""
    for arguments in commands:
        if not way.is_running(record):
            break
        programs.asked(arguments, programs.STOP_S)
    return not way.is_running(record)


def need(program: str, environ: Mapping[str, str]) -> None:
    """Raise LaunchError where a program is not on the PATH."""
    if shutil.which(program, path=environ.get("PATH")) is None:
        raise LaunchError(f"{program} is not installed here; choose another way to start")
