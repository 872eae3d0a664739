"""The ways to run a server: a process, a container, Compose, a systemd user unit.

Each is started, followed, asked for and stopped by argument lists of programs, never by a shell. All output ends in one
log file, that of docker itself included, so that whoever follows it need not know the way. Containers are gone when
they end: a server that fails is to be looked at, not to be started again and again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from wizard_tui.errors import Refusal
from wizard_tui.launch import listeners, process
from wizard_tui.launch.records import HANDLES, Record, Records, is_base_url
from wizard_tui.render.arguments import serve_arguments
from wizard_tui.render.compose import render_docker_compose
from wizard_tui.render.container import instance_name, port_of
from wizard_tui.render.docker import docker_arguments
from wizard_tui.render.serve import visible_devices
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import VLLMConfig

WAYS = tuple(HANDLES)
ASK_S = 20.0
STOP_S = 60.0
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}  # noqa: S104
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")


class LaunchError(Refusal):
    """A server cannot be started or stopped; its text is one plain sentence with the cure."""


@dataclass(frozen=True)
class Launch:
    """What is to be started: a config, the request it was made from, and the environment it gets."""

    config: VLLMConfig
    request: PlanRequest
    environ: Mapping[str, str] = field(repr=False)  # it holds tokens, and a traceback may show locals

    @property
    def name(self) -> str:
        """The name of the server, its container or its unit."""
        return instance_name(self.config)

    @property
    def base_url(self) -> str:
        """Where it is asked from this machine."""
        host = self.config.host or "127.0.0.1"
        host = _LOCAL.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port_of(self.config)}"

    def environment(self) -> dict[str, str]:
        """This program's environment with what the config adds: chosen GPUs and the API key, by the user's variable."""
        environ = dict(self.environ)
        for pair in visible_devices(self.config):
            variable, _, chosen = pair.partition("=")
            environ[variable] = chosen
        if (key := self.config.deployment.api_key_env) is not None:
            if not environ.get(key):
                raise LaunchError(f"the environment variable {key} is not set; set it to the API key")
            environ["VLLM_API_KEY"] = environ[key]
        return environ


def start(launch: Launch, way: str, records: Records) -> Record:
    """Start a server and record it. Raises LaunchError."""
    if launch.config.deployment.nodes > 1:
        raise LaunchError("a server over several machines is not started from here; write its files with generate")
    environ = launch.environment()
    if not is_base_url(launch.base_url):
        raise LaunchError(f"{launch.config.host} is no address to listen on; set host to one like 127.0.0.1")
    try:
        log = records.new_log(launch.name)
        record = Record(
            name=launch.name,
            way=way,
            handle="",
            log=str(log),
            base_url=launch.base_url,
            started_at=time.time(),
            request=launch.request.model_dump(mode="json", exclude_unset=True),
            api_key_env=launch.config.deployment.api_key_env,
        )
        record = _STARTERS[way](launch, record, environ)
        try:
            records.keep(record)
        except OSError:
            # nobody would find it again
            stop(record)
            raise
    except OSError as error:
        raise LaunchError(f"the server cannot be started: {error.strerror or error}") from None
    return record


def is_running(record: Record) -> bool:
    """Whether the server still runs."""
    if record.way == "process":
        return process.is_running(record.handle)
    if record.client and process.is_running(record.client):
        return True
    if record.way == "systemd":
        return _asked(["systemctl", "--user", "is-active", "--", record.unit]) == "active"
    return bool(_containers(record))


def exit_text(record: Record) -> str:
    """How a server that was started by this program has ended, in words; empty where nobody knows."""
    handle = record.handle if record.way == "process" else record.client
    return process.exit_text(handle) if handle else ""


def stop(record: Record) -> bool:
    """Stop a server: it is asked by SIGINT, then by SIGTERM, then killed, each after a time. True when it is gone."""
    if record.way == "process":
        return process.stop(record.handle, record.log_path)
    if record.client:
        # docker hands the signals on to the container; asked before it is there, it gives up
        process.stop(record.client, record.log_path)
    for arguments in _ENDS[record.way](record):
        if not is_running(record):
            break
        _asked(arguments, STOP_S)
    return not is_running(record)


def owns_port(record: Record) -> bool | None:
    """Whether what answers where a server is asked is that server; None where this system does not tell."""
    address = urlsplit(record.base_url)
    host, port = str(address.hostname), int(address.port or 0)
    if record.way == "process":
        pids = [one.pid for one in process.members(record.handle, record.log_path)]
        return listeners.belongs_to(host, port, pids)
    if record.way == "systemd":
        group = _asked(["systemctl", "--user", "show", "--property=ControlGroup", "--value", "--", record.unit])
        return listeners.belongs_to(host, port, process.in_control_group(group)) if group else None
    # what docker publishes is held by docker; that of another machine holds nothing here
    if not _asked(["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]).startswith("unix://"):
        return None
    return any(_publishes(container, host, port) for container in _containers(record))


def _containers(record: Record) -> list[str]:
    """The ids of the containers of a server that run."""
    if record.way == "compose":
        return _asked([*_compose(record), "ps", "--quiet", "--status", "running"]).split()
    container = _container(record)
    state = ["docker", "inspect", "--format", "{{.State.Running}}", "--", container]
    return [container] if container and _asked(state) == "true" else []


def _container(record: Record) -> str:
    """The id of the container that docker made for us, as its name may be another one's; empty where it made none."""
    with suppress(OSError, ValueError), record.id_file.open(encoding="ascii") as file:
        container = file.read(100).strip()
        return container if _CONTAINER_ID.fullmatch(container) else ""
    return ""


def _publishes(container: str, host: str, port: int) -> bool:
    """Whether docker hands what comes to an address of this machine to a container."""
    told = _asked(["docker", "inspect", "--format", "{{json .NetworkSettings.Ports}}", "--", container])
    try:
        bound = [row for rows in json.loads(told).values() for row in rows or ()]
        return any(int(row["HostPort"]) == port and listeners.listens_at(row["HostIp"], host) for row in bound)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _compose(record: Record) -> list[str]:
    """Compose for a file of ours, in a project of its own: that of the deployed file may run as well."""
    name = record.name.replace(".", "-")
    return ["docker", "compose", f"--project-name={name}-launch", f"--file={record.compose_file}"]


# what ends a server whose client is gone, one after the other as far as it is needed
_ENDS: Mapping[str, Callable[[Record], list[list[str]]]] = {
    "docker": lambda record: [
        ["docker", "stop", "--time", "30", "--", _container(record)],
        ["docker", "rm", "--force", "--", _container(record)],
    ],
    "compose": lambda record: [[*_compose(record), "down", "--timeout", "30"]],
    # the unit is ended by SIGINT, as its properties say
    "systemd": lambda record: [["systemctl", "--user", "stop", "--", record.unit]],
}


def vllm_program(environ: Mapping[str, str]) -> str:
    """The vllm on PATH. Raises LaunchError where there is none."""
    found = shutil.which("vllm", path=environ.get("PATH"))
    if found is None:
        raise LaunchError("vllm is not on the PATH; pip install vllm, activate its environment, or choose docker")
    return found


def _start_process(launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
    arguments = [vllm_program(environ), "serve", *serve_arguments(launch.config)]
    return replace(record, handle=process.start(arguments, record.log_path, environ))


def _start_docker(launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
    # Path.home raises for a user who has none
    cache = environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")  # noqa: PTH111
    program, run, *arguments = docker_arguments(launch.config, cache)
    client = _client([program, run, "--cidfile", str(record.id_file), *arguments], record, environ)
    return replace(record, handle=str(record.id_file), client=client)


def _start_compose(launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
    record.compose_file.write_text(render_docker_compose(launch.config, restart="no"), encoding="utf-8")
    client = _client([*_compose(record), "up", "--no-log-prefix", "--exit-code-from", "vllm"], record, environ)
    return replace(record, handle=str(record.compose_file), client=client)


def _client(arguments: Sequence[str], record: Record, environ: Mapping[str, str]) -> str:
    """Start a docker that stays: it pulls what is missing, writes it all to the log, and ends with the container."""
    _need(arguments[0], environ)
    return process.start(arguments, record.log_path, environ)


def _start_unit(launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
    # variables are named without their values, which systemd-run takes from its own environment
    passed = [name for name in _SERVICE_VARIABLES if name in environ]
    _run(
        [
            *("systemd-run", "--user", "--collect", f"--unit={record.unit}"),
            *(f"--setenv={name}" for name in passed),
            *("--property", f"StandardOutput=append:{record.log}"),
            *("--property", f"StandardError=append:{record.log}"),
            *("--property", "KillSignal=SIGINT", "--property", "TimeoutStopSec=45"),
            *("--", vllm_program(environ), "serve", *serve_arguments(launch.config)),
        ],
        environ,
    )
    return replace(record, handle=record.unit)


_SERVICE_VARIABLES = (
    "PATH", "HOME", "HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "HF_ENDPOINT", "VLLM_API_KEY", "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER", "HIP_VISIBLE_DEVICES", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "LD_LIBRARY_PATH",
)  # fmt: skip

_STARTERS = {
    "process": _start_process,
    "docker": _start_docker,
    "compose": _start_compose,
    "systemd": _start_unit,
}


def _need(program: str, environ: Mapping[str, str]) -> None:
    if shutil.which(program, path=environ.get("PATH")) is None:
        raise LaunchError(f"{program} is not installed here; choose another way to start")


def _run(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Run a program that starts something and returns. Raises LaunchError with the last line that it said."""
    _need(arguments[0], environ)
    try:
        ran = subprocess.run(
            arguments, env=environ, capture_output=True, text=True, errors="replace", timeout=STOP_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise LaunchError(f"{arguments[0]} did not answer within {STOP_S:g} s; is its service well?") from None
    if ran.returncode:
        said = ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"]
        raise LaunchError(f"{arguments[0]} refused: {said[-1]}")


def _asked(arguments: Sequence[str], seconds: float = ASK_S) -> str:
    """What a program answers; empty when it fails or takes too long."""
    try:
        ran = subprocess.run(
            arguments, env=os.environ, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
