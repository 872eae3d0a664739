"""The estimate from a parameter count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.errors import Refusal
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


@pytest.mark.parametrize(
    ("dtype", "quantization", "words"),
    [
        ("int3", None, "^dtype 'int3' is not one of auto, float16, bfloat16, float32$"),
        ("auto", "magic", "^the size of quantization 'magic' is not known without tensor headers$"),
    ],
)
def test_unknown_types_are_named(dtype: str, quantization: str | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        bytes_per_parameter(dtype, quantization)


@pytest.mark.parametrize(
    ("quantization", "like"),
    # a group of 128 weights in 4 bits has a scale of 2 bytes, with AWQ a zero point of 4 bits too: 66.5 and 66 bytes
    [(None, 2.0), ("none", 2.0), ("NONE", 2.0), ("awq_marlin", 66.5 / 128), ("GPTQ-Marlin", 66 / 128),
     ("auto_awq", 66.5 / 128), ("mxfp4", 17 / 32), ("mxfp8", 33 / 32), ("modelopt_mxfp8", 33 / 32), ("gguf", 4.5 / 8),
     ("bitsandbytes", 36 / 64), ("int8", 1.0), ("fp8_per_block", 1 + 4 / 128**2)],
)  # fmt: skip
def test_a_method_is_known_by_its_name_or_its_first_word(quantization: str | None, like: float) -> None:
    """`mxfp8` is no `fp8`."""
    assert bytes_per_parameter(quantization=quantization) == like


def test_a_model_may_have_less_than_a_billion_parameters_but_not_none() -> None:
    assert compute_weights_memory(0.6) == 1_200_000_000
    for count in (0, -1):
        with pytest.raises(ValueError, match=r"^params_b must be positive$"):
            compute_weights_memory(count)


@pytest.mark.parametrize(
    ("kv_dtype", "dtype", "bytes_each"),
    [
        ("auto", "auto", 2),
        ("auto", "float32", 4),
        ("bf16", "float32", 2),
        ("float32", "auto", 4),
        ("fp8", "float32", 1),
        ("fp8_e5m2", "auto", 1),
        # a scale of 4 bytes beside each key and each value of 128
        ("int8_per_token_head", "auto", 132 / 128),
        ("int4_per_token_head", "auto", 68 / 128),
        # a scale of 1 byte for every 16 values of 4 bits
        ("nvfp4", "auto", 9 / 16),
        # keys of 4 or 3 bits and 2 bytes, values of 4 bits and 4 bytes; two layers at either end in 16 or 32 bits
        ("turboquant_4bit_nc", "auto", (28 * (66 + 68) + 4 * 512) / (32 * 256)),
        ("turboquant_k3v4_nc", "float32", (28 * (50 + 68) + 4 * 1024) / (32 * 256)),
    ],
)
def test_the_cache_has_its_own_type_or_the_models(kv_dtype: str, dtype: str, bytes_each: float) -> None:
    values = 16 * 2 * 32 * 8 * 128
    assert compute_kv_cache_memory(LLAMA_8B, 16, 1, kv_dtype, dtype) == values * bytes_each
    if dtype == "auto":
        assert compute_kv_cache_memory(LLAMA_8B, 16, 1, kv_dtype) == values * bytes_each


def test_a_model_of_few_layers_keeps_all_of_them_at_full_precision() -> None:
    few = replace(LLAMA_8B, num_hidden_layers=3)
    assert compute_kv_cache_memory(few, 16, 1, "turboquant_4bit_nc") == compute_kv_cache_memory(few, 16, 1)


@pytest.mark.parametrize("kv_dtype", ["int3", "fp8_ds_mla"])
def test_a_cache_of_an_unknown_type_is_refused(kv_dtype: str) -> None:
    with pytest.raises(Refusal, match=f"^kv_dtype '{kv_dtype}' is not one of auto, float16, bfloat16, float32, fp8, "):
        compute_kv_cache_memory(LLAMA_8B, 16, 1, kv_dtype)


def test_auto_is_the_checkpoints_own_type() -> None:
    assert compute_kv_cache_memory(replace(LLAMA_8B, dtype="float32"), 16, 1) == 16 * 2 * 32 * 8 * 128 * 4


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
def test_kv_cache_refuses_impossible_sizes(context: int, requests: int) -> None:
    with pytest.raises(ValueError, match=r"^context_len and concurrency must be 1 or more$"):
        compute_kv_cache_memory(LLAMA_8B, context, requests)


@pytest.mark.parametrize(
    # what vLLM 0.29 to 0.31 logged beside weights and cache, GiB: 0.8 on 24 GB cards, 2 on 80 GB ones
    ("card_gib", "tp", "rest_gib"),
    [(24, 1, 0.956), (80, 1, 2.02), (80, 2, 2.32), (80, 8, 2.32)],
)
def test_overhead_grows_with_the_card_and_with_communication(card_gib: int, tp: int, rest_gib: float) -> None:
    assert compute_overhead(card_gib * GIB, tp) / GIB == pytest.approx(rest_gib, abs=1e-6)


def test_a_given_overhead_is_taken() -> None:
    assert compute_overhead(80 * GIB, 8, fixed_overhead_gb=1.5) == int(1.5 * GIB)
    assert compute_overhead(80 * GIB) == compute_overhead(80 * GIB, 1)


@pytest.mark.parametrize(("total", "tp"), [(0, 1), (-1, 1), (GIB, 0)])
def test_overhead_without_memory_or_gpus_is_refused(total: int, tp: int) -> None:
    assert compute_overhead(1) > 0
    with pytest.raises(ValueError, match=r"^vram_total_bytes and tp_size must be positive$"):
        compute_overhead(total, tp)


@given(st.floats(0.1, 2000))
def test_a_stand_in_shape_exists_for_every_count(params_b: float) -> None:
    shape = llama_shape(params_b)
    assert shape.num_attention_heads % shape.num_key_value_heads == 0
