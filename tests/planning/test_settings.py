"""Layouts as people say them, and every field that moves memory reaches the settings and the choice of a layout."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.conftest import facts, request
from tests.planning.moved import MOVED
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.settings import Layout
from wizard_tui.schemas.fields import RequestField, marked
from wizard_tui.schemas.markers import MovesMemory
from wizard_tui.schemas.numbers import GIB

BOX = facts("llama-70b", gpu="H100 NVL", gpus=4)
# short, so that the smallest layout on which it fits has the whole context, and no other is better
SHORT = {"prompt_tokens": 500, "gen_tokens": 100}
ONE = {"hardware": {"tensor_parallel_size": 1, "pipeline_parallel_size": 1}}
moves_memory = pytest.mark.parametrize("field", marked(MovesMemory), ids=lambda field: field.path)


def decided(*parts: dict[str, dict[str, Any]]) -> Decision:
    """A decision about short requests to Llama 70B on four H100 NVL; the last part wins."""
    sections: dict[str, dict[str, Any]] = {"model": {"max_model_len": 1024}, "workload": dict(SHORT)}
    for part in parts:
        for section, fields in part.items():
            sections[section] = {**sections.get(section, {}), **fields}
    return decide(request("llama-70b", **sections), BOX)


def fewest_gpus(*parts: dict[str, dict[str, Any]]) -> int:
    """GPUs of the smallest layout on which it fits, each tried alone; more than exist when none fits."""
    pinned = ({"hardware": {"tensor_parallel_size": tp, "pipeline_parallel_size": 1}} for tp in (1, 2, 4))
    found = (decided(pin, *parts) for pin in pinned)
    return min((one.estimate.settings.layout.gpus for one in found if one.fits and not one.estimate.tight), default=8)


def weights_of_one_gpu(*parts: dict[str, dict[str, Any]]) -> int:
    """Bytes of the weights when one GPU has all of them."""
    return decided(ONE, *parts).estimate.weights.bytes


@pytest.mark.parametrize(
    ("layout", "said", "gpus"),
    [
        (Layout(), "TP 1", 1),
        (Layout(tp=2), "TP 2", 2),
        (Layout(tp=2, pp=2), "TP 2 x PP 2", 4),
        (Layout(tp=4, dp=2), "TP 4 x DP 2", 8),
        (Layout(tp=2, pp=3, dp=2, expert_parallel=True), "TP 2 x PP 3 x DP 2 x EP", 12),
        (Layout(expert_parallel=True), "TP 1 x EP", 1),
    ],
)
def test_layouts(layout: Layout, said: str, gpus: int) -> None:
    assert str(layout) == said
    assert layout.gpus == gpus


def test_every_field_that_moves_memory_has_a_value_to_try() -> None:
    """Its row in `tests/planning/moved.py`."""
    assert set(MOVED) == {field.path for field in marked(MovesMemory)}


@moves_memory
def test_fields_that_move_memory_reach_the_settings(field: RequestField) -> None:
    moved = MOVED[field.path]
    beside = {field.section: moved.beside}
    assert decided(moved.asked(field)).estimate.settings != decided(beside).estimate.settings


@moves_memory
def test_fields_that_move_memory_count_when_layouts_are_compared(field: RequestField) -> None:
    """The search finds the smallest layout on which it fits: it leaves none out that the field makes room for."""
    moved = MOVED[field.path]
    asked, beside = moved.asked(field), {field.section: moved.beside}
    fewest = fewest_gpus(asked)
    found = decided(asked)
    assert found.estimate.settings.layout.gpus == fewest or (fewest > len(BOX.gpus) and not found.fits)
    saved = weights_of_one_gpu(beside) - weights_of_one_gpu(asked)
    if field.section != "hardware" and saved > GIB:
        assert fewest < fewest_gpus(beside), "it makes weights smaller: try a value that saves a GPU"
