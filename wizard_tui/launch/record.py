"""What is kept of a server that was started from here. It holds no secrets: neither the environment nor keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

_BASE_URL = re.compile(r"http://(?:([A-Za-z0-9_.-]+)|\[([0-9A-Fa-f:.]+)\]):([1-9][0-9]{0,4})")
_NUMBERS = re.compile(r"[0-9.]+")


@dataclass(frozen=True)
class Record:
    """One server. `way` names how it was started, `handle` is what that way uses to end it: the `pid:start` of a
    process group, the file with a container's id, a Compose file, a unit. `client` is the `pid:start` of the docker
    that stays with a container. `request` is the plan request as plain data."""

    name: str
    way: str
    handle: str
    log: str
    base_url: str
    started_at: float
    request: dict[str, Any]
    api_key_env: str | None = None
    client: str = ""

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return Path(self.log)

    @property
    def id_file(self) -> Path:
        """Where docker writes the id of its container."""
        return self.log_path.with_suffix(".id")

    @property
    def compose_file(self) -> Path:
        """Its Compose file."""
        return self.log_path.with_suffix(".compose.yaml")

    @property
    def unit(self) -> str:
        """The name of its systemd unit, which no other unit has."""
        return f"{self.log_path.stem}.service"


def is_base_url(text: str) -> bool:
    """Whether a text is a server address in the form kept here: http, a host and a port."""
    found = _BASE_URL.fullmatch(text)
    if found is None or int(found[3]) > 65535:
        return False
    name, number = found[1], found[2]
    try:
        if number or _NUMBERS.fullmatch(name):
            ip_address(number or name)
    except ValueError:
        return False
    return True
