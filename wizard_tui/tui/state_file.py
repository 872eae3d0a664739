"""Where a session is kept between starts: one private file, replaced as a whole."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

LIMIT_BYTES = 1 << 20


def state_path() -> Path:
    """The session file, under the XDG state directory."""
    return user_state_path("vllm-wizard-tui") / "session.json"


def save_state(state: Mapping[str, Any], path: Path | None = None) -> bool:
    """Write the session; False when the disk does not take it, which must not stop the wizard."""
    target = path or state_path()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".session-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(state, file, ensure_ascii=False)
            Path(name).replace(target)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError:
        return False
    return True


def load_state(path: Path | None = None) -> dict[str, Any] | None:
    """The last session, or None when there is none that can be read."""
    target = path or state_path()
    try:
        if not target.is_file() or target.stat().st_size > LIMIT_BYTES:
            return None
        state = json.loads(target.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return state if isinstance(state, dict) else None
