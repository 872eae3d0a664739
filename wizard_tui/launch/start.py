"""Starts a server in a chosen way and records it, so that a later wizard finds it again."""

from __future__ import annotations

import time

from wizard_tui.launch import ways
from wizard_tui.launch.record import Record, is_base_url
from wizard_tui.launch.records import Records


def start(launch: ways.Launch, way: str, records: Records) -> Record:
    """Start a server in the way of that name and record it. Raises LaunchError."""
    if launch.config.deployment.nodes > 1:
        raise ways.LaunchError("a server over several machines is not started from here; write its files with generate")
    environ = launch.environment()
    if not is_base_url(launch.base_url):
        raise ways.LaunchError(f"{launch.config.host} is no address to listen on; set host to one like 127.0.0.1")
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
        record = ways.WAYS[way].start(launch, record, environ)
        try:
            records.keep(record)
        except OSError:
            # without a record nobody would find it again
            ways.stop(record)
            raise
    except OSError as error:
        raise ways.LaunchError(f"the server cannot be started: {error.strerror or error}") from None
    return record
