"""The parsers for a model's tool calls and reasoning, and what else the chat endpoint needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.engine.versions import release_of
from wizard_tui.tables import read_table


class ParserChoice(NamedTuple):
    """What `vllm serve` is told about a family's chat format.

    `tool_call_parser` also needs `--enable-auto-tool-choice`. `chat_template` is a file of vLLM's examples/ directory.
    """

    family: str
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    tokenizer_mode: str | None = None
    chat_template: str | None = None


class _Family(NamedTuple):
    choice: ParserChoice
    name: str | None
    types: frozenset[str]

    def matches(self, name: str, model_type: str) -> bool:
        if self.types and model_type not in self.types:
            return False
        return self.name is None or re.search(self.name, name) is not None


@lru_cache(maxsize=256)
def parsers_for(model_id: str, model_type: str, vllm_version: str | None = None) -> ParserChoice | None:
    """The parsers for a model, by its name or path and its config's `model_type`; None for an unknown family.

    With `vllm_version`, parsers that this version does not have yet are left out.
    """
    name = model_id.rstrip("/").rpartition("/")[2].lower()
    found = next((family.choice for family in _families() if family.matches(name, model_type)), None)
    if found is None or vllm_version is None:
        return found
    return found._replace(
        tool_call_parser=_if_known("tool_call_parser", found.tool_call_parser, vllm_version),
        reasoning_parser=_if_known("reasoning_parser", found.reasoning_parser, vllm_version),
    )


def parser_names(kind: str, vllm_version: str) -> tuple[str, ...]:
    """The names that `--tool-call-parser` or `--reasoning-parser` takes in a version, sorted.

    `kind` is `tool_call_parser` or `reasoning_parser`.
    """
    wanted = release_of(vllm_version)
    rows = _data()["since"][kind].items()
    return tuple(sorted(name for since, names in rows if release_of(since) <= wanted for name in names))


def _if_known(kind: str, parser: str | None, vllm_version: str) -> str | None:
    return parser if parser in parser_names(kind, vllm_version) else None


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    return read_table(__package__, "parsers.toml")


@lru_cache(maxsize=1)
def _families() -> tuple[_Family, ...]:
    return tuple(_family(dict(row)) for row in _data()["family"])


def _family(row: dict[str, Any]) -> _Family:
    name, types = row.pop("name", None), row.pop("types", ())
    return _Family(
        choice=ParserChoice(family=row.pop("title"), **row),
        name=name,
        types=frozenset(types),
    )
