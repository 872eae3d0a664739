"""The cache of real models, from their configs, against what vLLM's own functions answer for the same layers."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.planning.memory.asked import layout_for
from tests.planning.memory.test_by_layers import CASES, GIB, KINDS
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.memory.kv_layers import KVCache, KVLayout

BY_NAME = {case["case"]: case for case in CASES}
QWEN3_NEXT = "Qwen/Qwen3-Next-80B-A3B-Instruct"
AMPERE, HOPPER, BLACKWELL = (8, 0), (9, 0), (10, 0)


def layout_of(model: str, capability: tuple[int, int] | None = HOPPER, **settings: Any) -> KVLayout:
    settings = {"max_num_batched_tokens": 8192, **settings}
    return layout_for(load_model_metadata(model), compute_capability=capability, **settings)


def cache_of(
    model: str, capability: tuple[int, int] | None = HOPPER, length: int = 131072, gib: float = 20, **settings: Any
) -> KVCache:
    return layout_of(model, capability, **settings).capacity(int(gib * GIB), length)


MODELS: list[tuple[str, str, tuple[int, int], dict[str, Any]]] = [
    ("Llama-3.1-8B bf16 20GiB", "meta-llama/Llama-3.1-8B", HOPPER, {}),
    ("Llama-3.1-8B bf16 L=40000 (not multiple of 16: 40001)", "meta-llama/Llama-3.1-8B", HOPPER, {}),
    ("Llama-3.1-8B fp8 KV", "meta-llama/Llama-3.1-8B", HOPPER, {"kv_cache_dtype": "fp8"}),
    (
        "Llama-3.1-8B int8_per_token_head",
        "meta-llama/Llama-3.1-8B",
        AMPERE,
        {"kv_cache_dtype": "int8_per_token_head"},
    ),
    ("Gemma-3-27B", "google/gemma-3-27b-it", HOPPER, {}),
    ("Gemma-3-27B, 2048 tokens a batch", "google/gemma-3-27b-it", AMPERE, {"max_num_batched_tokens": 2048}),
    ("gpt-oss-20b", "openai/gpt-oss-20b", HOPPER, {}),
    ("gpt-oss-20b with a draft layer", "openai/gpt-oss-20b", HOPPER, {"draft_layers": 1}),
    ("gpt-oss-120b", "openai/gpt-oss-120b", HOPPER, {}),
    ("two widths: the wider page doubles the other's block", "google/gemma-4-31B-it", HOPPER, {}),
    ("DeepSeek-V3 bf16 block 64", "deepseek-ai/DeepSeek-V3", HOPPER, {"block_size": 64}),
    ("DeepSeek-V3 bf16 block 16 (FLASH_ATTN_MLA)", "deepseek-ai/DeepSeek-V3", HOPPER, {}),
    ("DeepSeek-V3 fp8 block 32", "deepseek-ai/DeepSeek-V3", BLACKWELL, {"kv_cache_dtype": "fp8"}),
    ("DeepSeek-V3.2 bf16 + indexer", "deepseek-ai/DeepSeek-V3.2", HOPPER, {}),
    ("DeepSeek-V3.2 fp8_ds_mla + indexer", "deepseek-ai/DeepSeek-V3.2", HOPPER, {"kv_cache_dtype": "fp8"}),
    ("Qwen3-Next mode none, ssm bf16", QWEN3_NEXT, HOPPER, {"prefix_caching": False}),
    ("Qwen3-Next align Triton prefill", QWEN3_NEXT, AMPERE, {}),
    ("Qwen3-Next align FlashInfer prefill (Hopper)", QWEN3_NEXT, HOPPER, {}),
    ("Qwen3-Next tp=2", QWEN3_NEXT, AMPERE, {"tp": 2}),
    ("Qwen3-Next tp=4", QWEN3_NEXT, AMPERE, {"tp": 4}),
    ("Qwen3-Next 2 spec tokens", QWEN3_NEXT, AMPERE, {"speculative_tokens": 2}),
    ("Llama-4-Scout hybrid manager on", "meta-llama/Llama-4-Scout-17B-16E-Instruct", HOPPER, {}),
]


@pytest.mark.parametrize(("name", "model", "capability", "settings"), MODELS, ids=[name for name, *_ in MODELS])
def test_equals_vllm(name: str, model: str, capability: tuple[int, int], settings: dict[str, Any]) -> None:
    case = BY_NAME[name]
    layout = layout_of(model, capability, **settings)
    length, available = case["length"], case["available"]
    found = layout.capacity(available, length)
    groups = [f"{g.layers} {KINDS[g.kind]} block {g.block_size} page {g.page_size_bytes}" for g in found.groups]
    assert (found.bytes_per_block, found.num_blocks, found.tokens) == (
        case["bytes_per_block"],
        case["blocks"],
        case["tokens"],
    )
    # the order of groups follows the model's layers, and a case lists them by kind
    assert sorted(groups) == sorted(case.get("groups", groups))
    assert found.blocks_per_request == case.get("request_blocks", found.blocks_per_request)
    assert f"{found.max_concurrency:.2f}x" == case.get("logged", f"{found.max_concurrency:.2f}x")
    assert found.admitted == case.get("fits", found.admitted)
    if "longest" in case:
        assert found.estimated_max_model_len == case["longest"]
    assert found.bytes_per_request == found.bytes_per_block * found.blocks_per_request == layout.request_bytes(length)
    assert found.max_concurrency == layout.max_concurrency(available, length)


def test_before_group_aware_tokens_blocks_of_one_group_were_counted() -> None:
    """A public start-up log of 0.19.0: gemma-3-12b (48 layers, 8 of them full) on an H100, 8192 tokens."""
    old = cache_of("google/gemma-3-12b-it", length=8192, vllm_version="0.19.0")
    new = cache_of("google/gemma-3-12b-it", length=8192, vllm_version="0.33.0")
    assert old.num_blocks == new.num_blocks
    assert old.tokens == old.num_blocks // len(old.groups) * 16
    assert new.tokens == int(new.max_concurrency * 8192)


def test_until_019_chunked_layers_were_allocated_in_full() -> None:
    case = BY_NAME["Llama-4-Scout hybrid manager off (default)"]
    found = cache_of("meta-llama/Llama-4-Scout-17B-16E-Instruct", vllm_version="0.18.0")
    assert (found.bytes_per_block, found.num_blocks, found.admitted) == (
        case["bytes_per_block"],
        case["blocks"],
        case["fits"],
    )
    assert found.estimated_max_model_len == case["longest"]


def test_states_are_kept_at_block_ends_only_where_prefixes_are_cached() -> None:
    """Two states a request, one more for the FlashInfer kernel, against one (MambaSpec.max_memory_usage_bytes)."""
    alone = cache_of(QWEN3_NEXT, AMPERE, prefix_caching=False)
    kept = cache_of(QWEN3_NEXT, AMPERE, prefix_caching=True)
    assert kept.blocks_per_request - alone.blocks_per_request == 3
    # 0.14 could not cache them, 0.15 did on demand
    assert cache_of(QWEN3_NEXT, AMPERE, prefix_caching=True, vllm_version="0.14.0").blocks_per_request == (
        alone.blocks_per_request
    )
    assert cache_of(QWEN3_NEXT, AMPERE, vllm_version="0.15.0").blocks_per_request == alone.blocks_per_request
    # vLLM calls the whole length the block of a state that is kept once
    assert {g.block_size for g in alone.groups if g.kind == "MambaSpec"} == {131072}
    assert {g.block_size for g in kept.groups} == {544}
    assert alone.block_size == kept.block_size == 544


def test_only_recurrent_models_bound_their_sequences_by_blocks() -> None:
    assert cache_of(QWEN3_NEXT).state_blocks == cache_of(QWEN3_NEXT).num_blocks
    assert cache_of("meta-llama/Llama-3.1-8B").state_blocks is None


def test_a_model_without_cache_of_tokens_takes_one_state_a_request() -> None:
    """mamba-2.8b keeps 64 layers of state and nothing a token."""
    found = cache_of("state-spaces/mamba-2.8b-hf", length=4096)
    assert found.blocks_per_request == 1
    assert {g.kind for g in found.groups} == {"MambaSpec"}
    # 5120 channels: a convolution of 3 columns and a state of 16, in 16 bits
    assert found.bytes_per_block == 64 * 5120 * (3 + 16) * 2


@pytest.mark.parametrize(("pp", "widest"), [(1, 32), (2, 16), (3, 11), (5, 7)])
def test_a_pipeline_stage_holds_blocks_of_its_own_layers(pp: int, widest: int) -> None:
    found = cache_of("meta-llama/Llama-3.1-8B", pp=pp)
    assert found.bytes_per_block == widest * 65536


def test_more_stages_have_more_batches_in_flight() -> None:
    """A window of 1024 keeps 1023 tokens and those in flight: pp + 1 batches (config/vllm.py:max_in_flight_tokens)."""
    one, two = (layout_of("google/gemma-3-27b-it", pp=pp) for pp in (1, 2))
    windows, length = 6, 131072
    assert one.pool.blocks_per_request(length) == length // 16 + windows * (-(-(1023 + 2 * 8192) // 16) + 1)
    assert two.pool.blocks_per_request(length) == length // 16 + windows * (-(-(1023 + 3 * 8192) // 16) + 1)


def test_decode_context_parallel_shares_out_the_tokens() -> None:
    case = BY_NAME["GQA dcp=2 (1 kv head per rank)"]
    found = cache_of("meta-llama/Llama-3.1-70B", tp=16, dcp=2)
    assert (found.bytes_per_block, found.num_blocks) == (case["bytes_per_block"], case["blocks"])
    assert (found.tokens, found.blocks_per_request) == (case["tokens"], case["request_blocks"])
    old = cache_of("meta-llama/Llama-3.1-70B", tp=16, dcp=2, vllm_version="0.19.0")
    assert old.tokens == 2 * 16 * old.num_blocks


def test_no_memory_gives_no_block_and_the_null_block_serves_no_request() -> None:
    layout = layout_of("meta-llama/Llama-3.1-8B")
    nothing = layout.capacity(0, 131072)
    assert (nothing.num_blocks, nothing.tokens, nothing.admitted, nothing.estimated_max_model_len) == (0, 0, False, 0)
    one = layout.pool.bytes_per_block
    assert layout.largest_len(one, 1, 131072) == 0
    assert layout.largest_len(2 * one, 1, 131072) == 16
    assert layout.largest_len(5 * one, 2, 131072) == 32
    assert not layout.capacity(8192 * one, 131072).admitted
    assert layout.capacity(8193 * one, 131072).admitted


def test_a_model_without_cache_has_no_limit() -> None:
    layout = KVLayout(layout_of("meta-llama/Llama-3.1-8B").pool.of((), layout_limits()), (), 0, False, True, 1)
    assert layout.max_concurrency(GIB, 4096) == math.inf
    found = layout.capacity(GIB, 4096)
    assert found.admitted
    assert (found.tokens, found.max_concurrency, found.block_size) == (0, 0.0, 4096)


def layout_limits() -> Any:
    from wizard_tui.planning.memory.kv_cache import Limits

    return Limits(max_in_flight_tokens=8192)


def test_a_draft_head_is_a_layer_like_the_last_on_the_last_stage() -> None:
    plain, drafting = (cache_of("meta-llama/Llama-3.1-8B", pp=4, draft_layers=n) for n in (0, 2))
    assert drafting.bytes_per_block - plain.bytes_per_block == 2 * 65536
    assert cache_of("state-spaces/mamba-2.8b-hf", draft_layers=2) == cache_of("state-spaces/mamba-2.8b-hf")
