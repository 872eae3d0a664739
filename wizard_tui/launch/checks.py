"""One line about a thing that a start depends on: its state, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Check:
    """One line: what was looked at, its state, what was found, and the cure where something is wrong."""

    name: str
    state: State
    found: str
    cure: str = ""
