"""Tables of rotary angles: vLLM 0.33, model_executor/layers/rotary_embedding, and sizes that it showed."""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.rotary import table_bytes

COMMON = {"hidden_size": 4096, "num_hidden_layers": 4, "num_attention_heads": 32, "vocab_size": 1024}


def tables(**config: Any) -> int:
    return table_bytes(metadata_from_config({**COMMON, **config}, model_id="m", source="config")) // 2


@pytest.mark.parametrize(
    ("config", "count"),
    [
        ({"max_position_embeddings": 8192}, 8192 * 128),
        ({"max_position_embeddings": 8192, "partial_rotary_factor": 0.5}, 8192 * 64),
        ({"max_position_embeddings": 8192, "rope_scaling": {"rope_type": "llama3", "factor": 8}}, 8192 * 128),
        ({"max_position_embeddings": 8192, "rope_scaling": {"type": "linear", "factor": 4}}, 4 * 8192 * 128),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768},
            },
            131072 * 128,
        ),
        (
            {
                "max_position_embeddings": 131072,
                "rope_scaling": {"type": "longrope"},
                "original_max_position_embeddings": 4096,
            },
            (131072 + 4096) * 128,
        ),
        ({"max_position_embeddings": 1 << 20, "mla_use_nope": True}, 0),
    ],
)
def test_one_rope(config: dict[str, Any], count: int) -> None:
    assert tables(model_type="llama", **config) == count


def test_gemma_3_has_a_stretched_table_and_a_local_one() -> None:
    # 0.55 GiB more than its tensors in a start-up log of gemma-3-12b-it
    assert table_bytes(load_model_metadata("google/gemma-3-12b-it")) == 2 * (8 * 131072 + 131072) * 256


def test_gemma_4_has_a_table_for_each_kind_of_layer() -> None:
    # 0.375 GiB: https://github.com/mondegreens/apron (docs/traces/kv-budget-residuals.md)
    assert table_bytes(load_model_metadata("google/gemma-4-31B-it")) == 0.375 * (1 << 30)


def test_an_indexer_that_turns_otherwise_has_its_own() -> None:
    # vLLM's model class of DeepSeek-V3.2 holds 41.9 MB of buffers, that of V3 half
    assert table_bytes(load_model_metadata("deepseek-ai/DeepSeek-V3.2")) == 2 * 2 * 163840 * 64
    assert table_bytes(load_model_metadata("deepseek-ai/DeepSeek-V3")) == 2 * 163840 * 64
