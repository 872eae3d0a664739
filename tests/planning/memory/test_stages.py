"""Layers of pipeline stages, as vLLM 0.33's distributed/utils.py:get_pp_indices deals them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.planning.memory.stages import stage_of, stages


@pytest.mark.parametrize(
    ("layers", "pp", "counts"),
    [
        (32, 1, [32]),
        (32, 2, [16, 16]),
        (61, 2, [31, 30]),
        (32, 3, [11, 11, 10]),
        (61, 4, [15, 15, 16, 15]),
        (62, 4, [15, 16, 16, 15]),
        (63, 4, [16, 16, 16, 15]),
        (3, 3, [1, 1, 1]),
    ],
)
def test_what_is_left_over_goes_before_the_last(layers: int, pp: int, counts: list[int]) -> None:
    held = stages(layers, pp)
    assert [len(stage) for stage in held] == counts
    assert [layer for stage in held for layer in stage] == list(range(layers))


@given(st.integers(1, 128), st.integers(1, 16))
def test_a_layer_is_on_the_stage_that_holds_it(layers: int, pp: int) -> None:
    held = stages(layers, pp)
    assert [stage_of(layer, layers, pp) for layer in range(layers)] == [
        stage for stage, numbers in enumerate(held) for _ in numbers
    ]
    # a draft's layer follows the model's own
    assert stage_of(layers, layers, pp) == pp - 1
