"""What is said of a field of the request beside its type: markers in its annotation, for whoever shows it or uses it.

    block_size: Annotated[Tokens | None, Shown("Memory"), Flag(as_set=True), MovesMemory()] = Field(default=None, ...)

A marker has no behaviour. `wizard_tui/schemas/fields.py` finds the fields that have one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shown:
    """A row of the wizard's forms, under a heading. `label` is what it is called there; empty: its name in words.

    Rows of one heading are in the order of the schema; one with `after` follows the row of that name instead.
    """

    heading: str
    label: str = ""
    after: str = ""


@dataclass(frozen=True)
class Option:
    """What differs from the rule on the command line: a second spelling, or another heading in the help."""

    also: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Known:
    """Values are proposed while it is typed: models of the catalogue, GPUs of the table or quantisation methods."""

    values: Literal["models", "gpus", "methods"]


@dataclass(frozen=True)
class Formerly:
    """The name that version 0.2.0 of vllm-wizard gave it in its profiles, which are still read."""

    name: str


@dataclass(frozen=True)
class Flag:
    """`vllm serve` has a flag of the same name. With `as_set` it gets what the user set, or else nothing; without, the
    planner decides what it gets."""

    as_set: bool = False


@dataclass(frozen=True)
class MovesMemory:
    """A setting of the server on which the memory of its GPUs depends. It is a field of `Settings`, is read from the
    log of a server that is verified, and counts when layouts are compared; tests hold all three."""


@dataclass(frozen=True)
class OnlyIfAsked:
    """No plan makes up a value for it: left open, it stays open."""
