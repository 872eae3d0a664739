"""What this machine is like right now, as far as a start of vLLM depends on it. All input and output of preflight."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import Detection
from wizard_tui.launch.downloads import downloaded_bytes, hub_cache
from wizard_tui.schemas.outputs import PlanResponse

ASK_S = 5.0
LOCALHOST, DEFAULT_PORT = "127.0.0.1", 8000


@dataclass(frozen=True)
class Machine:
    """Bytes, counts and versions; None where it is not known or was not asked. `docker` is the daemon's version,
    `docker_problem` why there is none. `hub_problem` is empty when the repository can be downloaded."""

    detection: Detection = field(default_factory=Detection)
    vllm_path: str | None = None
    vllm_version: str | None = None
    docker: str | None = None
    docker_problem: str = ""
    docker_runtimes: tuple[str, ...] = ()
    image_present: bool | None = None
    user_services: bool | None = None
    cache: str = ""
    cache_free_bytes: int | None = None
    downloaded_bytes: int = 0
    shm_bytes: int | None = None
    port_taken: bool | None = None
    free_port: int | None = None
    hub_problem: str | None = None
    clock_ahead_s: float | None = None
    ram_available_bytes: int | None = None
    open_files: int | None = None
    processes: int | None = None


def look(response: PlanResponse | None, way: str = "process", environ: Mapping[str, str] | None = None) -> Machine:
    """Look at the machine, for a plan where there is one. Slow questions are asked at once; a few seconds at most."""
    from wizard_tui.hardware.detect import detect
    from wizard_tui.hardware.host import container_memory_limit, system_memory
    from wizard_tui.hardware.installed import installed_vllm

    environ = os.environ if environ is None else environ
    config = response.config if response is not None else None
    remote = config is not None and not config.deployment.model_is_local and not environ.get("HF_HUB_OFFLINE")
    in_container = way in ("docker", "compose")
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.submit(detect)
        hub = pool.submit(_hub_problem, config.model) if config is not None and remote else None
        clock = pool.submit(_clock_ahead, environ) if remote else None
        docker = pool.submit(_docker, config.deployment.image if config is not None else None) if in_container else None
        memory, limit = system_memory(), container_memory_limit()
        available = memory[1] if memory else None
        cache = hub_cache(dict(environ))
        host, port = (config.host or LOCALHOST, config.port or DEFAULT_PORT) if config is not None else ("", 0)
        taken = is_taken(host, port) if config is not None else None
        version, problem, runtimes, present = docker.result() if docker is not None else (None, "", (), None)
        return Machine(
            detection=found.result(),
            vllm_path=shutil.which("vllm", path=environ.get("PATH")),
            vllm_version=installed_vllm(environ),
            docker=version,
            docker_problem=problem,
            docker_runtimes=runtimes,
            image_present=present,
            user_services=_user_services() if way == "systemd" else None,
            cache=str(cache),
            cache_free_bytes=_free(cache),
            downloaded_bytes=downloaded_bytes(config.model, cache) if config is not None else 0,
            shm_bytes=_free(Path("/dev/shm")),  # noqa: S108
            port_taken=taken,
            free_port=free_port(host, port) if taken else None,
            hub_problem=hub.result() if hub is not None else None,
            clock_ahead_s=clock.result() if clock is not None else None,
            ram_available_bytes=min(available, limit) if available and limit else available,
            open_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
            processes=resource.getrlimit(resource.RLIMIT_NPROC)[1],
        )


def _free(place: Path) -> int | None:
    """Free bytes where a directory is, or will be made."""
    while not place.exists() and place != place.parent:
        place = place.parent
    with suppress(OSError):
        return shutil.disk_usage(place).free
    return None


def is_taken(host: str, port: int) -> bool:
    """Whether a server that wants this address would not get it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # as servers do: a port of a connection that was just closed is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return True
    return False


def free_port(host: str, taken: int) -> int:
    """The next port behind a taken one that nobody listens on."""
    return next((port for port in range(taken + 1, min(taken + 100, 65536)) if not is_taken(host, port)), taken + 1)


def _hub_problem(model_id: str) -> str:
    from wizard_tui.models.hub import check_access

    try:
        check_access(model_id)
    except Refusal as problem:
        return str(problem)
    return ""


def _clock_ahead(environ: Mapping[str, str]) -> float | None:
    """Seconds by which this clock is ahead of the Hub's; None where it does not answer."""
    import httpx2 as httpx

    with suppress(httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TypeError, ImportError):
        answer = httpx.head(environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout=ASK_S)
        return time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    return None


_DOCKER_FACTS = "{{.ServerVersion}} {{range $name, $_ := .Runtimes}}{{$name}} {{end}}"


def _docker(image: str | None) -> tuple[str | None, str, tuple[str, ...], bool | None]:
    """Version of the daemon, why there is none, its runtimes, and whether the image is here."""
    if shutil.which("docker") is None:
        return None, "docker is not installed", (), None
    code, said = _ran(["docker", "info", "--format", _DOCKER_FACTS])
    if code != 0 or not said.strip():
        return None, said.strip().splitlines()[-1] if said.strip() else "the docker daemon does not answer", (), None
    version, *runtimes = said.split()
    present = _ran(["docker", "image", "inspect", image])[0] == 0 if image else None
    return version, "", tuple(runtimes), present


def _user_services() -> bool:
    if shutil.which("systemd-run") is None:
        return False
    state = _ran(["systemctl", "--user", "is-system-running"])[1].strip()
    return state in ("running", "degraded", "starting")


def _ran(arguments: list[str]) -> tuple[int, str]:
    try:
        ran = subprocess.run(arguments, capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return -1, ""
    return ran.returncode, ran.stdout or ran.stderr
