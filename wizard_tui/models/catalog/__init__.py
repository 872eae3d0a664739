"""The built-in models: exact architecture facts of checkpoints that are served often, for machines without network.

models.jsonl has one model a line: `id`, `config` (what matters of its config.json, keys as on the Hub, long lists in
the short form of `packing`), `source` (where the config was read) and, where known, `aliases`, `license`, `gated`,
`pipeline_tag`, `checkpoint_bytes` and `params` (the total that its makers or the Hub state).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from wizard_tui.errors import Refusal
from wizard_tui.models.catalog.packing import unpacked

# a part of a name this long is worth a hint
_SHORTEST = 4
PATH = Path(__file__).with_name("models.jsonl")
STARTERS = Path(__file__).with_name("starters.txt")

_ID = re.compile(r'^\{"id": "([^"]+)"(?:, "aliases": \[([^\]]*)\])?', re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One model of the catalogue; `params` is the total that its makers or the Hub state."""

    id: str
    config: dict[str, Any] = field(repr=False)
    source: str
    aliases: tuple[str, ...] = ()
    license: str | None = None
    gated: bool | None = None
    pipeline_tag: str | None = None
    checkpoint_bytes: int | None = None
    params: int | None = None


def find(name: str) -> Entry | None:
    """The entry of a model id, in any case, with or without its organisation; None when there is none.

    Names are compared whole, never by a part of them. Raises Refusal when a name without organisation fits several
    models.
    """
    places = _index().get(name.strip().lower(), ())
    if len({place for _, place in places}) > 1:
        raise Refusal(f"{name} may be {' or '.join(sorted(model for model, _ in places))}; give the whole name")
    return _entry_at(places[0][1]) if places else None


def ids() -> tuple[str, ...]:
    """Every model id of the catalogue, in its order."""
    return tuple(match[1] for match in _ID.finditer(_text()))


def entries() -> tuple[Entry, ...]:
    """Every entry. To read a single one, `find` is enough."""
    return tuple(_entry_at(match.start()) for match in _ID.finditer(_text()))


@cache
def starters() -> tuple[str, ...]:
    """Model ids to begin with, the largest first."""
    lines = STARTERS.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


def near_names(name: str, others: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Up to three ids of the catalogue, or of `others`, that look like `name`."""
    from difflib import get_close_matches

    wanted = name.strip().lower()
    known = {model.lower(): model for model in (*ids(), *others)}
    known |= {key.partition("/")[2]: model for key, model in known.items() if "/" not in wanted}
    close = get_close_matches(wanted, known, n=3, cutoff=0.7)
    holding = [key for key in known if len(wanted) >= _SHORTEST and wanted in key]
    return tuple(dict.fromkeys(known[key] for key in (*close, *sorted(holding, key=len))))[:3]


@cache
def _text() -> str:
    return PATH.read_text(encoding="utf-8")


@cache
def _index() -> dict[str, tuple[tuple[str, int], ...]]:
    """Every name that is understood, in lower case, with the id and the position of the line that it means."""
    index: dict[str, tuple[tuple[str, int], ...]] = {}
    for match in _ID.finditer(_text()):
        names = [match[1], *re.findall(r'"([^"]+)"', match[2] or "")]
        for key in {part.lower() for name in names for part in (name, name.partition("/")[2])}:
            index[key] = (*index.get(key, ()), (match[1], match.start()))
    return index


def _entry_at(place: int) -> Entry:
    text = _text()
    end = text.find("\n", place)
    row = json.loads(text[place : end if end >= 0 else len(text)])
    config = unpacked(row.pop("config"))
    return Entry(config=config, aliases=tuple(row.pop("aliases", ())), **row)
