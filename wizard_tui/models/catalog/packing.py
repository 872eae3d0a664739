"""Long lists of a config in a short form: repeats written once, and numbered names as one name with ranges.

`["a", "a", "b", "a", "a", "b"]` is `[{"times": 2, "of": ["a", "a", "b"]}]`; the names `layers.0.gate` to
`layers.59.gate` are `layers.{0-59}.gate`. `packed` and `unpacked` undo each other, except for the order of names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

_FEW = 6
_NUMBER = re.compile(r"(?<![0-9])(0|[1-9][0-9]*)(?![0-9])")
_RANGES = re.compile(r"\{([0-9,-]+)\}")
# in a regular expression, braces count repetitions
_EXPRESSION = "re:"


def packed(value: Any, *, names: bool = False) -> Any:
    """The short form of JSON data. With `names`, lists of strings and keys of objects are taken as unordered names."""
    if isinstance(value, dict):
        members = {key: packed(item, names=names or key == "quantization_config") for key, item in value.items()}
        return _packed_keys(members) if names and len(members) > _FEW else members
    if not isinstance(value, list) or len(value) <= _FEW:
        return value
    if names and all(isinstance(item, str) for item in value):
        return _packed_names(value)
    return _packed_list([packed(item, names=names) for item in value])


def unpacked(value: Any) -> Any:
    """JSON data as it was before `packed`."""
    if isinstance(value, dict):
        return {name: unpacked(item) for key, item in value.items() for name in _names(key)}
    if not isinstance(value, list):
        return value
    whole: list[Any] = []
    for item in value:
        if isinstance(item, dict) and item.keys() == {"times", "of"}:
            whole += unpacked(item["of"]) * item["times"]
        elif isinstance(item, str):
            whole += _names(item)
        else:
            whole.append(unpacked(item))
    return whole


def _packed_list(items: list[Any]) -> list[Any]:
    """A list as its shortest period, where one occurs at least twice."""
    for period in range(1, len(items) // 2 + 1):
        times, rest = divmod(len(items), period)
        if items[:period] * times + items[:rest] == items:
            return [{"times": times, "of": items[:period]}, *items[:rest]]
    return items


def _packed_keys(members: dict[str, Any]) -> dict[str, Any]:
    values: list[Any] = []
    keys: list[list[str]] = []
    for key, value in members.items():
        if value not in values:
            values.append(value)
            keys.append([])
        keys[values.index(value)].append(key)
    return {name: value for value, group in zip(values, keys, strict=True) for name in _packed_names(group)}


def _packed_names(names: Sequence[str]) -> list[str]:
    plain = sorted({name for name in names if name.startswith(_EXPRESSION) or "{" in name})
    rows = [_NUMBER.split(name) for name in names if name not in plain]
    for place in range(max((len(row) for row in rows), default=1) - 2, 0, -2):
        groups: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            key = (*row[:place], "", *row[place + 1 :]) if len(row) > place else tuple(row)
            groups.setdefault(key, []).append(row[place] if len(row) > place else "")
        rows = [
            [*key[:place], _ranges(numbers), *key[place + 1 :]] if len(key) > place else list(key)
            for key, numbers in groups.items()
        ]
    return [*("".join(row) for row in rows), *plain]


def _ranges(numbers: Sequence[str]) -> str:
    if len(set(numbers)) == 1:
        return numbers[0]
    ordered = sorted({int(number) for number in numbers})
    spans: list[list[int]] = []
    for number in ordered:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return "{" + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans) + "}"


def _names(packed_name: str) -> list[str]:
    if packed_name.startswith(_EXPRESSION) or "{" not in packed_name:
        return [packed_name]
    parts = _RANGES.split(packed_name)
    choices: list[Iterable[str]] = [_numbers(part) if index % 2 else [part] for index, part in enumerate(parts)]
    return ["".join(choice) for choice in product(*choices)]


def _numbers(spans: str) -> list[str]:
    bounds = [span.partition("-") for span in spans.split(",")]
    return [str(number) for first, _, last in bounds for number in range(int(first), int(last or first) + 1)]
