"""Checks the values in a config.json before anything is calculated from them: anybody may have written it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from wizard_tui.errors import Refusal
from wizard_tui.tables import read_table

LARGEST = 1 << 40
DEEPEST = 16


def check(config: Mapping[str, Any], where: str) -> None:
    """Raise a Refusal that names the first key whose value is not of the kind in config_shapes.toml, or an object
    nested more than `DEEPEST` deep."""
    _check(config, where, 0)


def whole(value: object, least: int = 0) -> int | None:
    """`value` where it is a whole number of at least `least` and fit for calculation, else None.

    A "number" in a file or an answer may have hundreds of digits, or be text or a truth value.
    """
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value < LARGEST else None


def number(value: object) -> float | None:
    """`value` where it is a number of at least 0, whole or not, and fit for calculation, else None."""
    if isinstance(value, float):
        return value if 0 <= value < LARGEST else None
    return whole(value)


def shown(value: object) -> str:
    """A value as it is quoted in a sentence: on one line, and no longer than necessary."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _check(part: Mapping[str, Any], where: str, depth: int) -> None:
    if depth > DEEPEST:
        raise Refusal(f"{where} is nested too deeply to be a model's config")
    kinds = _kinds()
    for key, value in part.items():
        if value is not None and (kind := kinds.get(key)) is not None:
            is_one, words = _RULES[kind]
            if not is_one(value):
                raise Refusal(f"{where} has `{key}` {shown(value)}, which must be {words}")
        if isinstance(value, Mapping):
            _check(value, where, depth + 1)


@lru_cache(maxsize=1)
def _kinds() -> Mapping[str, str]:
    table = read_table(__package__, "config_shapes.toml")
    return {key: kind for kind, keys in table.items() for key in keys}


def _is_count(value: object) -> bool:
    return whole(value) is not None


def _is_number(value: object) -> bool:
    return number(value) is not None


def _is_word(value: object) -> bool:
    return isinstance(value, str)


def _is_list(value: object, of: Callable[[object], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(of(item) for item in value)


_RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "count": (_is_count, "a whole number from 0 on"),
    "number": (_is_number, "a number from 0 on"),
    "count or auto": (lambda value: _is_count(value) or value == "auto", "a whole number from 0 on, or auto"),
    "count or counts": (
        lambda value: _is_count(value) or (bool(value) and _is_list(value, _is_count)),
        "a whole number or a list of them",
    ),
    "counts": (lambda value: _is_list(value, _is_count), "a list of whole numbers"),
    "word": (_is_word, "a word"),
    "words": (lambda value: _is_list(value, _is_word), "a list of words"),
    "object": (lambda value: isinstance(value, Mapping), "an object with keys"),
}
