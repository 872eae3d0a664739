"""The ways to run a server: a process, a container, Compose, a systemd user unit. Each is one object, one file here.

All output of a server, including docker's own, goes to one log file, so that whoever follows it need not know the
way. Containers are removed when they end: a server that fails should be looked at, not started again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from wizard_tui.launch.record import Record
from wizard_tui.launch.ways.compose import Compose
from wizard_tui.launch.ways.docker import Docker
from wizard_tui.launch.ways.process import Process
from wizard_tui.launch.ways.systemd import Systemd
from wizard_tui.launch.ways.way import Launch, LaunchError, Way

__all__ = ["WAYS", "Launch", "LaunchError", "Way", "exit_text", "is_running", "owns_port", "stop"]

_ALL: tuple[Way, ...] = (Process(), Docker(), Compose(), Systemd())

WAYS: Mapping[str, Way] = MappingProxyType({way.name: way for way in _ALL})
"""Name -> way, in the order in which they are offered; the first is the default."""


def is_running(record: Record) -> bool:
    """Whether the server still runs."""
    return WAYS[record.way].is_running(record)


def exit_text(record: Record) -> str:
    """How a server that this program started has ended, in words; empty where that is unknown."""
    return WAYS[record.way].exit_text(record)


def stop(record: Record) -> bool:
    """Stop a server: SIGINT, then SIGTERM, then SIGKILL, each given its time. True when it is gone."""
    return WAYS[record.way].stop(record)


def owns_port(record: Record) -> bool | None:
    """Whether the server itself answers at its address; None where this system does not tell."""
    address = urlsplit(record.base_url)
    return WAYS[record.way].owns(record, str(address.hostname), int(address.port or 0))
