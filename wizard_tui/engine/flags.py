"""The flags of `vllm serve` by version, and how each is written with its value.

flags.json holds the facts: for each flag its kind of value, choices and default, and `since`, the oldest release read
that has it. Where choices or default differ between releases, `changes` lists what is new, oldest first; a row without
it holds what the newest release read says. A flag that a version lacks is refused here, before vLLM refuses it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from wizard_tui.engine.versions import release_of
from wizard_tui.errors import Refusal
from wizard_tui.tables import read_table

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(
    chr(plane + low) for plane in range(0, 0x110000, 0x10000) for low in (0xFFFE, 0xFFFF)
)
_NOT_TEXT = re.compile(f"[\0\ud800-\udfff{_NONCHARACTERS}]")


class Flag(NamedTuple):
    """One option of `vllm serve`.

    `kind` is `str`, `int`, `float`, `json`, `list` (several values), `bool` (has a negative form) or `switch` (has
    none). `off` is the negative form of a `bool`. `default` is what vLLM's parser assumes without the flag; None where
    it decides later.
    """

    name: str
    kind: str
    off: str | None = None
    choices: tuple[Any, ...] = ()
    default: Any = None
    since: str | None = None

    @property
    def dest(self) -> str:
        """The name vLLM's own configuration uses, such as `max_model_len`."""
        return self.name[2:].replace("-", "_")


def flags_of(version: str) -> Mapping[str, Flag]:
    """The flags of a vLLM version by `dest`, such as `max_model_len`. Raises Refusal for a version like `newest`."""
    return _flags_of(release_of(version))


def flag_named(dest: str, version: str) -> Flag:
    """The flag that sets `dest` in a vLLM version.

    Raises Refusal, which names the replacement, the version that added the flag, or the nearest known flag.
    """
    try:
        return flags_of(version)[dest]
    except KeyError:
        raise Refusal(_why_missing(dest, version)) from None


def flag_arguments(dest: str, value: Any, version: str) -> tuple[str, ...]:
    """The arguments that set `dest` to `value` in a vLLM version: the flag, then its values; () for a switch left off.

    Raises Refusal for a flag the version lacks, a value of the wrong kind, one that is not among the choices, or
    text that no command line can carry.
    """
    flag = flag_named(dest, version)
    if flag.kind in ("bool", "switch"):
        return _boolean(flag, value)
    if flag.kind == "json":
        return flag.name, json.dumps(value, separators=(",", ":"), allow_nan=False)
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values:
        return ()
    words = [_word(flag, item) for item in values]
    if words[0].startswith("-"):  # after a blank, argparse would take the value for a flag
        return (f"{flag.name}={words[0]}", *words[1:])
    return (flag.name, *words)


def checked_text(text: str, what: str) -> str:
    """`text` itself. Raises Refusal where some program cannot take it: NUL, lone surrogates, noncharacters."""
    if _NOT_TEXT.search(text):
        raise Refusal(f"{what} holds a character that no command line can carry; remove it")
    return text


def _boolean(flag: Flag, value: Any) -> tuple[str, ...]:
    if not isinstance(value, bool):
        raise Refusal(f"{flag.name} is either on or off, not {value!r}")
    if value:
        return (flag.name,)
    return (flag.off,) if flag.off else ()


def _word(flag: Flag, value: Any) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if (flag.kind in ("int", "float") and not number) or (flag.kind == "int" and value != int(value)):
        raise Refusal(f"{flag.name} takes a number, not {value!r}")
    if flag.choices and value not in flag.choices:
        raise Refusal(f"{flag.name} takes one of {', '.join(map(str, flag.choices))}, not {value!r}")
    return checked_text(str(value), flag.name)


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    return read_table(__package__, "flags.json")


@lru_cache(maxsize=32)
def _flags_of(version: tuple[int, int, int]) -> Mapping[str, Flag]:
    data = _data()
    pairs = version >= release_of(data["enable_disable_pairs_since"])
    flags: dict[str, Flag] = {}
    for name, row in data["flags"].items():
        if "since" in row and version < release_of(row["since"]):
            continue
        flag = _flag(name, row, version)
        if flag.kind == "bool" and not pairs:  # before, argparse.BooleanOptionalAction made the negative form
            flag = flag._replace(off=f"--no-{name[2:]}")
        flags[flag.dest] = flag
    return MappingProxyType(flags)


def _flag(name: str, row: Mapping[str, Any], version: tuple[int, int, int]) -> Flag:
    fields = {key: value for key, value in row.items() if key != "changes"}
    for change in row.get("changes", ()):
        if version >= release_of(change["since"]):
            fields |= {key: value for key, value in change.items() if key != "since"}
    return Flag(**{**fields, "name": name, "choices": tuple(fields.get("choices", ()))})


def _why_missing(dest: str, version: str) -> str:
    data, name = _data(), f"--{dest.replace('_', '-')}"
    if name in data["gone"]:
        row = data["gone"][name]
        last = f" (last seen in {row['until']})" if "until" in row else ""
        return f"vLLM {version} has no {name}{last}; " + (
            f"use {row['instead']}" if "instead" in row else "leave it out"
        )
    if name in data["flags"]:
        return f"vLLM {version} has no {name}; it needs {data['flags'][name]['since']} or newer"
    near = difflib.get_close_matches(name, [*data["flags"], *data["gone"]], n=1)
    return f"{name} is no known flag of vllm serve" + (f"; did you mean {near[0]}?" if near else "")
