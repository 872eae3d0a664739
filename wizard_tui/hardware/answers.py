"""Checks the type of what a driver's library answers: library and driver versions may not match, and a GPU that has
failed may answer anything."""

from __future__ import annotations

from typing import Any

MOST_BYTES = 1 << 50


def whole(value: object, most: int = MOST_BYTES) -> int | None:
    """A whole number from 0 to below `most`; None for anything else."""
    return value if type(value) is int and 0 <= value < most else None


def text(value: object) -> str | None:
    """Printable text, given as text or bytes; None for anything else, and for empty text."""
    if isinstance(value, bytes):
        value = value.split(b"\0")[0].decode("utf-8", "replace")
    return "".join(char for char in value if char.isprintable()).strip() or None if isinstance(value, str) else None


def pair(value: object) -> tuple[int, int] | None:
    """Two small whole numbers, such as a version or a mode and the one that is pending; None for anything else."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        return None
    first, second = whole(value[0], 1 << 32), whole(value[1], 1 << 32)
    return None if first is None or second is None else (first, second)


def items(value: object) -> tuple[Any, ...]:
    """The items of a list; empty for anything else."""
    return tuple(value) if isinstance(value, (tuple, list)) else ()


def fields(value: object) -> dict[str, Any]:
    """The fields of a dictionary; empty for anything else."""
    return value if isinstance(value, dict) else {}
