"""How much of a model is on this disk already: the Hub's cache, including files still being downloaded."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def hub_cache(environ: dict[str, str] | None = None) -> Path:
    """Where the Hub's cache is (huggingface_hub: constants.py, HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME)."""
    environ = dict(os.environ) if environ is None else environ
    if place := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(place)
    if home := environ.get("HF_HOME"):
        return _expanded(home) / "hub"
    return _expanded(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _expanded(place: str) -> Path:
    """As huggingface_hub does it: a path that cannot be expanded stays as it is."""
    return Path(os.path.expanduser(place))  # noqa: PTH111 - Path.expanduser raises where there is no home


def downloaded_bytes(model_id: str, cache: Path | None = None) -> int:
    """Bytes of a repository in the cache; 0 for one that is not there."""
    blobs = (cache or hub_cache()) / f"models--{model_id.replace('/', '--')}" / "blobs"
    found = 0
    with suppress(OSError), os.scandir(blobs) as entries:
        for entry in entries:
            with suppress(OSError):
                # blocks, as a file still being downloaded may have its full length from the start
                found += min(entry.stat().st_size, entry.stat().st_blocks * 512)
    return found
