"""Pages, and which layers may share blocks (vLLM 0.33 v1/kv_cache_interface.py)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wizard_tui.planning.memory.kv_specs import (
    AttentionSpec,
    LayerSpec,
    SpecKind,
    StateSpec,
    mergeable,
    padded_to,
    uniform_type,
)


def spec(kind: SpecKind = SpecKind.FULL, **changed: Any) -> AttentionSpec:
    values: dict[str, Any] = {
        "kind": kind,
        "block_size": 16,
        "num_kv_heads": 8,
        "head_size": 128,
        "head_size_v": 128,
        "dtype": "bfloat16",
    }
    return AttentionSpec(**(values | changed))


FULL, SLIDING = spec(), spec(SpecKind.SLIDING, window=1024)
LATENT = spec(SpecKind.MLA, num_kv_heads=1, head_size=576, head_size_v=0)
STATE = StateSpec(block_size=544, shapes=((16, 3), (4, 64)), dtypes=("bfloat16", "float32"))


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (FULL, 16 * 8 * 256 * 2),
        (spec(dtype="float32"), 16 * 8 * 256 * 4),
        (spec(dtype="uint8"), 16 * 8 * 256),
        (spec(head_size_v=64), 16 * 8 * 192 * 2),
        (LATENT, 16 * 576 * 2),
        # packed content, heads in twice the slots, two tokens in one state, a page of whole kilobytes
        (spec(state_bytes=264), 16 * 8 * 264),
        (spec(head_slots=16), 16 * 16 * 256 * 2),
        (spec(tokens_per_state=4), 4 * 8 * 256 * 2),
        (spec(SpecKind.MLA, num_kv_heads=1, state_bytes=584, block_size=64, alignment=576), 65 * 576),
        (STATE, 16 * 3 * 2 + 4 * 64 * 4),
    ],
)
def test_pages(layer: LayerSpec, size: int) -> None:
    assert layer.page_bytes == layer.page_size_bytes == size
    wider = padded_to(layer, size + 100)
    assert (wider.page_bytes, wider.page_size_bytes) == (size, size + 100)


@pytest.mark.parametrize(
    ("layers", "one"),
    [
        ([FULL, FULL], True),
        # a window that is only recorded
        ([FULL, replace(FULL, window=4096)], True),
        ([replace(FULL, window=4096), FULL, replace(FULL, window=4096)], True),
        ([replace(FULL, window=4096), replace(FULL, window=1024)], False),
        ([FULL, spec(num_kv_heads=4)], False),
        ([SLIDING, SLIDING], True),
        ([SLIDING, replace(SLIDING, window=128)], False),
        ([FULL, SLIDING], False),
        ([SLIDING, FULL], False),
        ([STATE, STATE], True),
        ([STATE, replace(STATE, speculative_blocks=1)], False),
        ([FULL, STATE], False),
    ],
)
def test_which_layers_merge(layers: list[LayerSpec], one: bool) -> None:
    assert mergeable(layers) == one


@pytest.mark.parametrize(
    ("layers", "uniform"),
    [
        ([FULL, spec(num_kv_heads=4)], True),
        ([FULL, LATENT], True),
        ([FULL, replace(FULL, block_size=32)], False),
        ([FULL, SLIDING], False),
        ([SLIDING, replace(SLIDING, num_kv_heads=4)], True),
        ([SLIDING, spec(SpecKind.SLIDING_MLA, window=1024)], True),
        ([SLIDING, replace(SLIDING, window=128)], False),
        ([SLIDING, replace(FULL, window=1024)], False),
        ([spec(SpecKind.SLIDING_MLA, window=128), spec(SpecKind.SLIDING_MLA, window=128, num_kv_heads=1)], True),
        ([spec(SpecKind.SLIDING_MLA, window=128), spec(SpecKind.SLIDING, window=128)], False),
        ([spec(SpecKind.CHUNKED, window=8192), spec(SpecKind.CHUNKED, window=8192, num_kv_heads=4)], True),
        ([spec(SpecKind.CHUNKED, window=8192), spec(SpecKind.CHUNKED, window=4096)], False),
        ([spec(SpecKind.CROSS), spec(SpecKind.CROSS, num_kv_heads=4)], True),
        ([spec(SpecKind.CROSS), FULL], False),
        ([STATE, replace(STATE, shapes=((4, 64), (16, 3)), dtypes=("float32", "bfloat16"))], True),
        ([STATE, replace(STATE, shapes=((4, 64),), dtypes=("float32",))], False),
        ([STATE, replace(STATE, speculative_blocks=1)], False),
        ([STATE, replace(STATE, checkpoint_blocks=1)], False),
        ([STATE, replace(FULL, block_size=544)], False),
    ],
)
def test_which_layers_need_equally_many_blocks(layers: list[LayerSpec], uniform: bool) -> None:
    assert uniform_type(layers) == uniform
