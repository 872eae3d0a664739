"""The ways to run a server: a process, a container, Compose, a systemd user unit. Each is one object, one file here.

All output of a server ends in one log file, that of docker itself included, so that whoever follows it need not know
the way. Containers are gone when they end: a server that fails is to be looked at, not to be started again and again.
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
"""Name -> way, in the order in which they are offered; the first is taken where none is chosen."""


def is_running(record: Record) -> bool:
    """Whether the server still runs."""
    return WAYS[record.way].is_running(record)


def exit_text(record: Record) -> str:
    """How a server that was started by this program has ended, in words; empty where nobody knows."""
    return WAYS[record.way].exit_text(record)


def stop(record: Record) -> bool:
    """Stop a server: it is asked by SIGINT, then by SIGTERM, then killed, each after a time. True when it is gone."""
    return WAYS[record.way].stop(record)


def owns_port(record: Record) -> bool | None:
    """Whether what answers where a server is asked is that server; None where this system does not tell."""
    address = urlsplit(record.base_url)
    return WAYS[record.way].owns(record, str(address.hostname), int(address.port or 0))
