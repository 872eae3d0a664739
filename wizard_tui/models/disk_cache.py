"""Facts read from Hub models, kept on disk: a second plan of the same model needs no network.

One small JSON file a model and revision, under the user's cache directory (XDG_CACHE_HOME). A file that cannot be read
counts as absent, and a directory that cannot be written costs only the next download.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wizard_tui.files import cache_folder, make_private, replace_file
from wizard_tui.models.checkpoint import summed
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.metadata import ModelMetadata, Repository

FORMAT = 1
FRESH_S = 30 * 86_400
"""A branch may move on; after this long the Hub is asked again, when it can be reached."""
SKEW_S = 300
MOST_FILES = 500
LIMIT_BYTES = 16 << 20


def load(model_id: str, revision: str | None, *, however_old: bool = False) -> ModelMetadata | None:
    """The kept facts of a model at a revision; None when there are none, or none that are fresh."""
    place = _place(model_id, revision)
    try:
        if place.stat().st_size > LIMIT_BYTES:
            return None
        kept = json.loads(place.read_bytes())
        if kept["format"] != FORMAT or kept["asked"] != [model_id, revision]:
            return None
        # an entry from the future was written under a wrong clock: its age is unknown
        if not however_old and not -SKEW_S <= time.time() - kept["saved_at"] <= FRESH_S:
            return None
        return metadata_from_config(
            kept["config"],
            model_id=kept["model_id"],
            source=kept["source"],
            revision=kept["revision"],
            headers={name: (str(kind), tuple(shape)) for name, (kind, shape) in kept["headers"].items()},
            repository=Repository(**kept["repository"]),
            warnings=tuple(kept["warnings"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def save(model_id: str, revision: str | None, metadata: ModelMetadata) -> None:
    """Keep what was read. `model_id` and `revision` are as they were asked for."""
    place = _place(model_id, revision)
    kept = {
        "format": FORMAT,
        "asked": [model_id, revision],
        "saved_at": int(time.time()),
        "model_id": metadata.model_id,
        "revision": metadata.revision,
        "source": metadata.source,
        "config": metadata.config,
        "headers": summed(metadata),
        "repository": asdict(metadata.repository),
        "warnings": metadata.warnings,
    }
    with suppress(OSError, ValueError, TypeError):
        data = json.dumps(kept, default=_plain)
        make_private(place.parent)
        replace_file(place, data)
        _forget_the_oldest(place.parent)


def _place(model_id: str, revision: str | None) -> Path:
    key = hashlib.sha256(json.dumps([model_id, revision]).encode()).hexdigest()[:32]
    return cache_folder() / "models" / f"{key}.json"


def _forget_the_oldest(folder: Path) -> None:
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in kept[:-MOST_FILES]:
        path.unlink(missing_ok=True)


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError
