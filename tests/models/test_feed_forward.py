"""Widths of the feed-forward part."""

from __future__ import annotations

import pytest

from wizard_tui.models import catalog
from wizard_tui.models.feed_forward import shared_expert_width
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.tensors import inventory


@pytest.mark.parametrize(
    ("model", "width"),
    [
        # shared_intermediate_size, intermediate_size, and as many as num_shared_experts of moe_intermediate_size
        ("ibm-granite/granite-4.0-h-small", 1536),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", 8192),
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", 8192),
        ("moonshotai/Kimi-K3", 6144),
        # n_shared_experts of moe_intermediate_size; none; no mixture
        ("deepseek-ai/DeepSeek-V3", 2048),
        ("Qwen/Qwen3-30B-A3B", 0),
        ("Qwen/Qwen3-8B", 0),
    ],
)
def test_width_of_the_shared_experts(model: str, width: int) -> None:
    assert shared_expert_width(load_model_metadata(model)) == width


def test_it_is_that_of_the_tensors() -> None:
    for model in catalog.ids():
        metadata = load_model_metadata(model)
        tensors = inventory(metadata).all_tensors()
        shared = {tensor.rows for tensor, _ in tensors if tensor.name == "mlp.shared_experts.up_proj"}
        assert shared == ({width} if (width := shared_expert_width(metadata)) else set()), model
