"""Looks at this machine before a start: all input and output of preflight."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

from wizard_tui.errors import Refusal
from wizard_tui.launch.downloads import downloaded_bytes, hub_cache
from wizard_tui.launch.machine import DEFAULT_PORT, LOCALHOST, LOOK_S, Machine, free_port, is_taken
from wizard_tui.launch.ways import WAYS
from wizard_tui.schemas.outputs import PlanResponse


def look(response: PlanResponse | None, way: str = "process", environ: Mapping[str, str] | None = None) -> Machine:
    """Look at the machine for a way to start, and for a plan where there is one.

    Slow questions are asked at the same time; a few seconds at most.
    """
    from wizard_tui.hardware.detect import detect
    from wizard_tui.hardware.host import container_memory_limit, system_memory

    environ = os.environ if environ is None else environ
    config = response.config if response is not None else None
    remote = config is not None and not config.deployment.model_is_local and not environ.get("HF_HUB_OFFLINE")
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = pool.submit(detect)
        hub = pool.submit(_hub_problem, config.model) if config is not None and remote else None
        clock = pool.submit(_clock_ahead, environ) if remote else None
        of_way = pool.submit(WAYS[way].look, config, environ)
        memory, limit = system_memory(), container_memory_limit()
        available = memory[1] if memory else None
        cache = hub_cache(dict(environ))
        host, port = (config.host or LOCALHOST, config.port or DEFAULT_PORT) if config is not None else ("", 0)
        taken = is_taken(host, port) if config is not None else None
        return replace(
            of_way.result(),
            detection=found.result(),
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
        answer = httpx.head(environ.get("HF_ENDPOINT", "https://huggingface.co"), timeout=LOOK_S)
        return time() - parsedate_to_datetime(answer.headers["date"]).timestamp()
    return None
