"""The parsers for a model's tool calls and reasoning, and what else the chat endpoint needs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
    """One row of parsers.toml. Of the parsers, the first that a version has counts."""

    title: str
    name: str | None
    types: frozenset[str]
    tool_call_parsers: tuple[str, ...]
    reasoning_parsers: tuple[str, ...]
    tokenizer_mode: str | None
    chat_template: str | None

    def matches(self, name: str, model_type: str) -> bool:
        if self.types and model_type not in self.types:
            return False
        return self.name is None or re.search(self.name, name) is not None

    def choice(self, vllm_version: str) -> ParserChoice:
        return ParserChoice(
            family=self.title,
            tool_call_parser=_first_known("tool_call_parser", self.tool_call_parsers, vllm_version),
            reasoning_parser=_first_known("reasoning_parser", self.reasoning_parsers, vllm_version),
            tokenizer_mode=self.tokenizer_mode,
            chat_template=self.chat_template,
        )


@lru_cache(maxsize=256)
def parsers_for(model_id: str, model_type: str, vllm_version: str) -> ParserChoice | None:
    """The parsers that a vLLM version has for a model; None for a family that is not known.

    The family is found by the model's name (or path) and the `model_type` of its config.json. Where the version lacks
    the newest parser of the family, an older one that reads the same format takes its place; where there is none, no
    parser is named, because vLLM does not start with the name of a parser that it lacks.
    """
    name = model_id.rstrip("/").rpartition("/")[2].lower()
    family = next((family for family in _families() if family.matches(name, model_type)), None)
    return family.choice(vllm_version) if family else None


def template_in_image(chat_template: str, vendor: str) -> str | None:
    """Where vLLM's own image for GPUs of `vendor` has that file of its examples; None where there is no such image."""
    directory = _data()["examples_in_image"].get(vendor)
    return f"{directory}/{chat_template}" if directory else None


def parser_names(kind: str, vllm_version: str) -> tuple[str, ...]:
    """The names that `--tool-call-parser` or `--reasoning-parser` takes in a version, sorted.

    `kind` is `tool_call_parser` or `reasoning_parser`.
    """
    wanted = release_of(vllm_version)
    rows = _data()["since"][kind].items()
    return tuple(sorted(name for since, names in rows if release_of(since) <= wanted for name in names))


def _first_known(kind: str, parsers: tuple[str, ...], vllm_version: str) -> str | None:
    known = parser_names(kind, vllm_version)
    return next((parser for parser in parsers if parser in known), None)


@lru_cache(maxsize=1)
def _data() -> Mapping[str, Any]:
    return read_table(__package__, "parsers.toml")


@lru_cache(maxsize=1)
def _families() -> tuple[_Family, ...]:
    return tuple(_family(row) for row in _data()["family"])


def _family(row: Mapping[str, Any]) -> _Family:
    return _Family(
        title=row["title"],
        name=row.get("name"),
        types=frozenset(row.get("types", ())),
        tool_call_parsers=_several(row.get("tool_call_parser", ())),
        reasoning_parsers=_several(row.get("reasoning_parser", ())),
        tokenizer_mode=row.get("tokenizer_mode"),
        chat_template=row.get("chat_template"),
    )


def _several(parsers: str | Sequence[str]) -> tuple[str, ...]:
    return (parsers,) if isinstance(parsers, str) else tuple(parsers)
