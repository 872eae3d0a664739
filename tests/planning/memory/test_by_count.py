"""The estimate from a parameter count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.by_count import (
    bytes_per_parameter,
    compute_kv_cache_memory,
    compute_overhead,
    compute_weights_memory,
    llama_shape,
)
from wizard_tui.schemas.numbers import GIB

LLAMA_8B = ModelMetadata(
    model_id="meta-llama/Llama-3.1-8B",
    source="config",
    architecture="LlamaForCausalLM",
    model_type="llama",
    num_hidden_layers=32,
    hidden_size=4096,
    num_attention_heads=32,
    num_key_value_heads=8,
    head_dim=128,
    vocab_size=128256,
    max_position_embeddings=131072,
)


@pytest.mark.parametrize(
    ("params_b", "dtype", "quantization", "gib"),
    [
        # 8,030,261,248 parameters in the safetensors index of meta-llama/Llama-3.1-8B
        (8.030261248, "bfloat16", None, 14.957),
        (8.030261248, "fp32", None, 29.915),
        (70.553706496, "auto", "fp8", 65.708),
        (70.553706496, "auto", "fp8_per_tensor", 65.708),
        (8.030261248, "auto", "mxfp8", 7.712),
    ],
)
def test_weights_are_parameters_times_bytes(params_b: float, dtype: str, quantization: str | None, gib: float) -> None:
    assert compute_weights_memory(params_b, dtype, quantization) / GIB == pytest.approx(gib, abs=0.001)


def test_four_bit_weights_carry_their_scales() -> None:
    assert bytes_per_parameter("auto", "awq") == pytest.approx(0.5 + 2 / 128 + 0.5 / 128, abs=1e-4)
    assert bytes_per_parameter("auto", "gptq") == pytest.approx(0.5 + 2 / 128, abs=1e-4)
    assert bytes_per_parameter("auto", "nvfp4") == pytest.approx(0.5 + 1 / 16)


@pytest.mark.parametrize(("dtype", "quantization"), [("int3", None), ("auto", "magic")])
def test_unknown_types_are_named(dtype: str, quantization: str | None) -> None:
    with pytest.raises(ValueError, match=quantization or dtype):
        bytes_per_parameter(dtype, quantization)


def test_kv_cache_of_a_grouped_query_model() -> None:
    """Llama 3.1 8B takes 128 KiB a token: 2 x 32 layers x 8 heads x 128 x 2 bytes."""
    assert compute_kv_cache_memory(LLAMA_8B, 8192, 1) == 8192 * 131072
    assert compute_kv_cache_memory(LLAMA_8B, 8192, 16) == 16 * GIB
    assert compute_kv_cache_memory(LLAMA_8B, 8192, 16, kv_dtype="fp8") == 8 * GIB
    assert compute_kv_cache_memory(LLAMA_8B, 8192, 1, dtype="float32") == 2 * GIB
    assert compute_kv_cache_memory(LLAMA_8B, 8192, 1, fragmentation_factor=1.5) == 1.5 * GIB


@given(st.integers(1, 200_000), st.integers(1, 64))
def test_kv_cache_grows_in_whole_blocks(context: int, requests: int) -> None:
    size = compute_kv_cache_memory(LLAMA_8B, context, requests)
    assert size % (16 * 131072) == 0
    assert 0 <= size - context * requests * 131072 < requests * 16 * 131072


@pytest.mark.parametrize(("context", "requests"), [(0, 1), (1, 0), (-5, 1)])
def test_kv_cache_refuses_sizes_that_cannot_be(context: int, requests: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        compute_kv_cache_memory(LLAMA_8B, context, requests)


def test_overhead_grows_with_the_card_and_with_communication() -> None:
    small, large = compute_overhead(24 * GIB), compute_overhead(80 * GIB)
    assert 0 < small < large < 4 * GIB
    assert compute_overhead(80 * GIB, tp_size=2) > large
    assert compute_overhead(80 * GIB, 8, fixed_overhead_gb=1.5) == int(1.5 * GIB)


@given(st.floats(0.1, 2000))
def test_a_stand_in_shape_exists_for_every_count(params_b: float) -> None:
    shape = llama_shape(params_b)
    assert shape.num_attention_heads % shape.num_key_value_heads == 0
