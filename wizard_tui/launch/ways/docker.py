"""vLLM in a docker container, and what all ways that use docker have in common."""

from __future__ import annotations

import json
import os
import re
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from wizard_tui.engine.platforms import platform_named
from wizard_tui.launch import listeners, process
from wizard_tui.launch.checks import Check
from wizard_tui.launch.machine import LOOK_S, Machine
from wizard_tui.launch.record import Record
from wizard_tui.launch.ways import programs
from wizard_tui.launch.ways.way import Launch, Way, ended_by, need
from wizard_tui.render.docker import docker_arguments
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig

_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_FACTS = "{{.ServerVersion}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}"


class Containers(Way):
    """A server in containers, and the docker client that started it: it pulls what is missing, writes all output to the
    log, and ends with the container. Where that client is gone, docker is asked for the containers themselves."""

    in_container = True

    @abstractmethod
    def containers(self, record: Record) -> list[str]:
        """The ids of a server's running containers."""

    @abstractmethod
    def ends(self, record: Record) -> list[list[str]]:
        """The commands that end a server whose client is gone, each run only if those before did not end it."""

    def look(self, config: VLLMConfig | None, environ: Mapping[str, str]) -> Machine:
        """Version and runtimes of the daemon, why it cannot be reached, and whether the image is here."""
        if shutil.which("docker") is None:
            return Machine(docker_problem="docker is not installed")
        done = programs.ran(["docker", "info", "--format", _FACTS], LOOK_S)
        said = (done.stdout or done.stderr).strip() if done is not None else ""
        if done is None or done.returncode != 0 or not said:
            return Machine(docker_problem=said.splitlines()[-1] if said else "the docker daemon does not answer")
        version, *runtimes = said.split()
        present = None
        if config is not None and (image := config.deployment.image):
            found = programs.ran(["docker", "image", "inspect", image], LOOK_S)
            present = found is not None and found.returncode == 0
        return Machine(docker=version, docker_runtimes=tuple(runtimes), image_present=present)

    def checks(self, machine: Machine, response: PlanResponse | None) -> Iterator[Check]:
        """Whether the daemon answers, gives GPUs to containers and has the image."""
        if machine.docker is None:
            cure = "install and start docker, join its group, or start vLLM as a process"
            yield Check("docker", "bad", machine.docker_problem or "no docker daemon answers", cure)
            return
        yield Check("docker", "ok", f"daemon {machine.docker}")
        vendor = response.config.deployment.gpu_vendor if response is not None else "nvidia"
        runtimes = platform_named(vendor).docker_runtimes
        if runtimes and not set(runtimes) & set(machine.docker_runtimes):
            cure = "install the NVIDIA Container Toolkit, run `nvidia-ctk runtime configure`, restart docker"
            yield Check("GPU in docker", "warn", "docker knows no NVIDIA runtime", cure)
        if machine.image_present is not None and response is not None:
            image = response.config.deployment.image
            here = "is here" if machine.image_present else "is pulled first, some 10 GB"
            yield Check("image", "ok", f"{image} {here}")

    def is_running(self, record: Record) -> bool:
        """Whether the client or a container runs: the client starts before the container and may end before it."""
        return (bool(record.client) and process.is_running(record.client)) or bool(self.containers(record))

    def exit_text(self, record: Record) -> str:
        """The client's exit code, which is the server's, or the signal that ended the client."""
        return process.exit_text(record.client) if record.client else ""

    def stop(self, record: Record) -> bool:
        """End the client, which passes the signals on to the container; then end what is left of the container."""
        if record.client:
            # a client asked to end before the container exists gives up
            process.stop(record.client, record.log_path)
        return ended_by(self, record, self.ends(record))

    def owns(self, record: Record, host: str, port: int) -> bool | None:
        """Whether docker passes connections to an address on to a container of the server."""
        # docker itself holds the ports it publishes; a docker on another machine holds none here
        endpoint = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
        if not programs.asked(endpoint).startswith("unix://"):
            return None
        return any(_publishes(container, host, port) for container in self.containers(record))


class Docker(Containers):
    """`docker run`; the container is known by its id, as another container may have its name."""

    name = "docker"

    def start(self, launch: Launch, record: Record, environ: Mapping[str, str]) -> Record:
        """Start the container; its handle is the file to which docker writes its id."""
        # Path.home raises for a user without a home
        cache = environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface")  # noqa: PTH111
        program, run, *arguments = docker_arguments(launch.config, cache)
        client = start_client([program, run, "--cidfile", str(record.id_file), *arguments], record, environ)
        return replace(record, handle=str(record.id_file), client=client)

    def made(self, record: Record) -> bool:
        """Whether the handle is the file beside the log, with a client that stays with it."""
        return record.handle == str(record.id_file) and process.is_handle(record.client)

    def containers(self, record: Record) -> list[str]:
        """Our container, where it runs."""
        container = _container(record)
        state = ["docker", "inspect", "--format", "{{.State.Running}}", "--", container]
        return [container] if container and programs.asked(state) == "true" else []

    def ends(self, record: Record) -> list[list[str]]:
        """The commands that stop it, then remove it."""
        container = _container(record)
        return [["docker", "stop", "--time", "30", "--", container], ["docker", "rm", "--force", "--", container]]


def start_client(arguments: Sequence[str], record: Record, environ: Mapping[str, str]) -> str:
    """Start a docker client that stays with its container; its `pid:start`. Raises LaunchError and OSError."""
    need(arguments[0], environ)
    return process.start(arguments, record.log_path, environ)


def _container(record: Record) -> str:
    """The id of the container that docker made for us; empty where it made none."""
    with suppress(OSError, ValueError), record.id_file.open(encoding="ascii") as file:
        container = file.read(100).strip()
        return container if _CONTAINER_ID.fullmatch(container) else ""
    return ""


def _publishes(container: str, host: str, port: int) -> bool:
    """Whether docker passes connections to an address of this machine on to a container."""
    told = programs.asked(["docker", "inspect", "--format", "{{json .NetworkSettings.Ports}}", "--", container])
    try:
        bound = [row for rows in json.loads(told).values() for row in rows or ()]
        return any(int(row["HostPort"]) == port and listeners.listens_at(row["HostIp"], host) for row in bound)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
