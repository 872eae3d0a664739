"""The memory of one GPU for decided settings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import facts, request
from tests.planning.memory.asked import overhead_for, weights_for
from wizard_tui.hardware.observed import Correction
from wizard_tui.planning.decide import decide
from wizard_tui.planning.estimate import MemoryEstimate, estimate
from wizard_tui.planning.settings import Layout, Settings
from wizard_tui.schemas.inputs import PolicyInput, WorkloadInput
from wizard_tui.schemas.numbers import GIB

LLAMA = facts()
(H100,) = LLAMA.gpus
# of Llama 3.1 8B: 32 layers, 8 heads of 128, keys and values in 16 bits
TOKEN = 32 * 8 * 128 * 2 * 2


def settings(**changed: Any) -> Settings:
    values: dict[str, Any] = {
        "layout": Layout(),
        "dtype": "bfloat16",
        "quantization": None,
        "kv_cache_dtype": "auto",
        "max_model_len": 8192,
        "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
        "gpu_memory_utilization": 0.9,
        "kv_cache_memory_bytes": None,
        "block_size": None,
        "enforce_eager": False,
        "enable_prefix_caching": True,
        "vllm_version": "0.33.0",
    }
    return Settings(**(values | changed))


def estimated(
    workload: dict[str, Any] | None = None,
    policy: dict[str, Any] | None = None,
    observed: Correction = Correction(),  # noqa: B008
    **changed: Any,
) -> MemoryEstimate:
    return estimate(
        settings(**changed),
        LLAMA.metadata,
        H100,
        WorkloadInput(**workload or {}),
        PolicyInput(**policy or {}),
        observed,
    )


def test_the_budget_is_a_share_of_the_whole_card_rounded_up() -> None:
    """v1/worker/utils.py:request_memory."""
    result = estimated(gpu_memory_utilization=0.9)
    assert result.budget == math.ceil(0.9 * H100.total_bytes)
    assert result.kv_available == result.budget - result.weights.bytes - result.overhead.budgeted
    assert result.starts
    assert result.failure is None


def test_the_band_is_that_of_the_rest_and_of_the_weights() -> None:
    result = estimated()
    spread = int(result.weights.bytes * result.weights.relative_error)
    assert result.kv_low == result.kv_available - (result.overhead.high - result.overhead.budgeted) - spread
    assert result.kv_high == result.kv_available + (result.overhead.budgeted - result.overhead.low) + spread
    assert result.kv_low < result.kv_available < result.kv_high


def test_a_fixed_cache_leaves_no_doubt() -> None:
    result = estimated(kv_cache_memory_bytes=10 * GIB)
    assert result.kv_low == result.kv_available == result.kv_high == 10 * GIB
    assert result.budget == result.weights.bytes + result.overhead.budgeted + 10 * GIB


def test_weights_and_rest_are_those_of_the_settings() -> None:
    """Each setting that a part depends on reaches it."""
    changed: dict[str, Any] = {
        "layout": Layout(tp=2, pp=2, dp=2, expert_parallel=True),
        "dtype": "float16",
        "quantization": "fp8_per_tensor",
        "max_num_seqs": 64,
        "max_num_batched_tokens": 2048,
        "vllm_version": "0.22.0",
        "performance_mode": "interactivity",
        "max_cudagraph_capture_size": 48,
        "speculative_tokens": 2,
        "draft_layers": 1,
        "max_loras": 2,
        "max_lora_rank": 32,
    }
    mixture = facts("qwen3-30b-a3b")
    asked = settings(**changed)
    result = estimate(asked, mixture.metadata, H100, WorkloadInput(), PolicyInput())
    assert result.weights == weights_for(
        mixture.metadata,
        tp=2,
        pp=2,
        dp=2,
        expert_parallel=True,
        dtype="float16",
        quantization="fp8_per_tensor",
        compute_capability=(9, 0),
        max_num_batched_tokens=2048,
        vllm_version="0.22.0",
        draft_layers=1,
        max_loras=2,
        max_lora_rank=32,
    )
    assert result.overhead == overhead_for(
        mixture.metadata,
        H100,
        tp=2,
        pp=2,
        dp=2,
        expert_parallel=True,
        dtype="float16",
        max_num_seqs=64,
        max_num_batched_tokens=2048,
        enforce_eager=False,
        vllm_version="0.22.0",
        performance_mode="interactivity",
        max_cudagraph_capture_size=48,
        speculative_tokens=2,
    )
    assert estimated(enforce_eager=True).overhead.cuda_graphs == 0


@pytest.mark.parametrize(
    ("changed", "bytes_per_block", "block"),
    [
        ({}, 16 * TOKEN, 16),
        ({"layout": Layout(tp=2)}, 8 * TOKEN, 16),
        ({"layout": Layout(pp=2)}, 8 * TOKEN, 16),
        ({"kv_cache_dtype": "fp8"}, 8 * TOKEN, 16),
        ({"dtype": "float32"}, 32 * TOKEN, 16),
        ({"block_size": 64}, 64 * TOKEN, 64),
        ({"draft_layers": 1}, 33 * TOKEN // 2, 16),
    ],
)
def test_the_cache_is_that_of_the_settings(changed: dict[str, Any], bytes_per_block: int, block: int) -> None:
    cache = estimated(**changed).cache
    assert (cache.bytes_per_block, cache.block_size) == (bytes_per_block, block)


def test_drafts_prefixes_versions_and_tokens_reach_recurrent_layers() -> None:
    from wizard_tui.models.load import load_model_metadata

    qwen = load_model_metadata("Qwen/Qwen3-Next-80B-A3B-Instruct")

    def blocks(**changed: Any) -> int:
        result = estimate(settings(**changed), qwen, H100, WorkloadInput(), PolicyInput())
        return result.cache.blocks_per_request

    assert blocks(enable_prefix_caching=False) < blocks(enable_prefix_caching=True)
    assert blocks(enable_prefix_caching=True, vllm_version="0.14.0") == blocks(enable_prefix_caching=False)
    # 12 layers of attention in blocks of 544 beside three groups of states; two drafted tokens make the blocks 560, and
    # each keeps a state of its own
    assert blocks(enable_prefix_caching=False) == -(-8192 // 544) + 3
    assert blocks(enable_prefix_caching=False, speculative_tokens=2) == -(-8192 // 560) + 3 * (1 + 2)
    gemma = load_model_metadata("google/gemma-3-27b-it")
    small, large = (
        estimate(settings(max_num_batched_tokens=n), gemma, H100, WorkloadInput(), PolicyInput()).cache
        for n in (1024, 2048)
    )
    assert small.blocks_per_request < large.blocks_per_request


@pytest.mark.parametrize(
    ("workload", "policy", "changed", "tokens"),
    [
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 1}, {}, {}, 768),
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 7}, {}, {}, 7 * 768),
        # whole blocks of 16
        ({"prompt_tokens": 512, "gen_tokens": 257, "concurrency": 2}, {}, {}, 2 * 784),
        # never longer than max_model_len
        ({"prompt_tokens": 9000, "gen_tokens": 256, "concurrency": 1}, {}, {}, 8192),
        # a replica takes its share, the fullest one more
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 7}, {}, {"layout": Layout(dp=2)}, 4 * 768),
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 4}, {"fragmentation_factor": 1.5}, {}, 6 * 768),
        # a shared prefix is there once
        (
            {"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 4, "shared_prefix_tokens": 256},
            {},
            {},
            4 * 512 + 256,
        ),
        (
            {"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 4, "shared_prefix_tokens": 256},
            {},
            {"enable_prefix_caching": False},
            4 * 768,
        ),
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 1, "shared_prefix_tokens": 256}, {}, {}, 768),
        # no more of it than there is of the prompt
        ({"prompt_tokens": 512, "gen_tokens": 256, "concurrency": 2, "shared_prefix_tokens": 4096}, {}, {}, 768 + 256),
        # a prefix of one token saves no block
        ({"prompt_tokens": 513, "gen_tokens": 256, "concurrency": 2, "shared_prefix_tokens": 1}, {}, {}, 2 * 784),
    ],
)
def test_cache_needed_by_the_workload(
    workload: dict[str, Any], policy: dict[str, Any], changed: dict[str, Any], tokens: int
) -> None:
    assert estimated(workload, policy, **changed).kv_needed == tokens * TOKEN


def test_an_overhead_of_your_own_replaces_all_of_ours() -> None:
    result = estimated(policy={"overhead_gb": 2.5}, observed=Correction(GIB, 3))
    rest = result.overhead
    assert (rest.activation_peak, rest.cuda_graphs, rest.non_torch) == (0, 0, int(2.5 * GIB))
    assert rest.low == rest.high == rest.budgeted == int(2.5 * GIB)
    # what was seen here is no longer part of it
    assert result.observed == Correction()


def test_observations_on_this_machine_move_the_sum_and_its_band() -> None:
    plain, seen = estimated(), estimated(observed=Correction(GIB, 3))
    assert plain.kv_available - seen.kv_available == GIB
    assert plain.kv_low - seen.kv_low == GIB
    assert plain.kv_high - seen.kv_high == GIB
    assert seen.overhead.non_torch - plain.overhead.non_torch == GIB
    assert seen.observed == Correction(GIB, 3)


def test_weight_layouts_made_after_loading_count_as_the_rest() -> None:
    from wizard_tui.models.load import load_model_metadata

    deepseek = load_model_metadata("deepseek-ai/DeepSeek-V3")
    result = estimate(settings(layout=Layout(tp=8)), deepseek, H100, WorkloadInput(), PolicyInput())
    bare = overhead_for(
        deepseek, H100, tp=8, dtype="bfloat16", max_num_seqs=256, max_num_batched_tokens=8192,
        vllm_version="0.33.0",
    )  # fmt: skip
    assert result.weights.after_loading > 0
    assert result.overhead.non_torch - bare.non_torch == result.weights.after_loading


def held(result: MemoryEstimate, **changed: Any) -> MemoryEstimate:
    return replace(result, **changed)


def test_fitting_means_starting_with_room_for_all() -> None:
    result = estimated({"concurrency": 4})
    assert result.fits
    assert result.headroom == result.kv_available - result.kv_needed
    full = held(result, kv_needed=result.kv_available)
    assert (full.headroom, full.fits) == (0, True)
    assert not held(result, kv_needed=result.kv_available + 1).fits
    assert not held(result, headroom_wanted=result.headroom + 1).fits
    assert held(result, headroom_wanted=result.headroom).fits
    assert estimated(policy={"headroom_gb": 3}).headroom_wanted == 3 * GIB


def test_tight_means_fitting_only_by_the_expected_number() -> None:
    result = estimated()
    one = result.cache.bytes_per_request + result.cache.bytes_per_block
    assert result.spare_at_worst == result.kv_low - max(result.kv_needed, one)
    assert not result.tight
    edge = held(result, kv_low=one, kv_needed=0)
    assert (edge.spare_at_worst, edge.tight) == (0, False)
    assert held(edge, kv_low=one - 1).tight
    assert not held(edge, kv_low=one - 1, kv_needed=result.kv_available + 1).tight, "what does not fit is not tight"
    assert held(edge, kv_low=one, kv_needed=one + 1).tight


def test_the_cause_of_a_start_that_fails_is_kept() -> None:
    broken = decide(request("llama-70b"), facts("llama-70b")).estimate
    assert not broken.starts
    assert not broken.fits
    assert broken.failure is not None
    assert broken.failure.kind == "weights"
    # a start that lacks memory for its cache holds nothing
    assert estimated(gpu_memory_utilization=0.1).cache.num_blocks == 0


def test_experts_are_spread_over_copies_where_they_are_not_whole() -> None:
    """Wide experts keep a workspace by the width that a GPU has of them: over tensor and data parallel together."""
    from tests.planning.conftest import QWEN3_30B_A3B
    from wizard_tui.models.from_config import metadata_from_config

    wide = metadata_from_config(QWEN3_30B_A3B | {"moe_intermediate_size": 8192}, model_id="m", source="config")
    one, four = (
        estimate(settings(layout=Layout(dp=dp)), wide, H100, WorkloadInput(), PolicyInput()).overhead.non_torch
        for dp in (1, 4)
    )
    both = 2 * 8192
    kept = [8192 * 8 * 2 * (max(width / 2, 2048) + max(width, 2048)) for width in (both, both / 4)]
    assert one - four == kept[0] - kept[1]
