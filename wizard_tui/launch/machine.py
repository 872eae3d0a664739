"""What is known of this machine and matters for a start of vLLM. `look` finds it out."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from wizard_tui.hardware.gpu import Detection

LOOK_S = 5.0
"""How long a program or a server may take to answer while the machine is looked at."""

LOCALHOST, DEFAULT_PORT = "127.0.0.1", 8000


@dataclass(frozen=True)
class Machine:
    """Bytes, counts and versions; None where a value is unknown or was not asked for. `docker` is the daemon's version,
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


def is_taken(host: str, port: int) -> bool:
    """Whether a server that wants this address would not get it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # as servers do: the port of a connection that was just closed is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return True
    return False


def free_port(host: str, taken: int) -> int:
    """The next port after a taken one on which nobody listens."""
    return next((port for port in range(taken + 1, min(taken + 100, 65536)) if not is_taken(host, port)), taken + 1)
