"""An earlier session as it is offered: what it is about, without what was typed in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from wizard_tui.tui.fields import MODEL

FIRST = "welcome"
"""The step on which every session begins."""


@dataclass(frozen=True)
class Left:
    """An earlier session that the user may continue: on which step, when, and its name on disk.

    The step may come from another version.
    """

    model: str
    step: str
    saved_at: datetime
    name: str = ""

    @classmethod
    def of(cls, saved: Mapping[str, Any], saved_at: datetime, name: str = "") -> Left:
        """What a saved session is about. Raises ValueError when the data are not a session, or of another version."""
        fields = saved.get("fields")
        if saved.get("version") != 1 or not isinstance(fields, Mapping):
            raise ValueError("the saved session is of another version")
        row = fields.get(MODEL)
        model = row[0] if isinstance(row, list) and row and isinstance(row[0], str) else ""
        return cls(model, str(saved.get("step")), saved_at, name)
