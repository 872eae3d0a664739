"""The whole plan: its parts agree with one another and with vLLM's rules."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.engine.versions import NEWEST
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched
from wizard_tui.schemas.numbers import GIB
from wizard_tui.schemas.outputs import KVCacheGroup, KVCachePlan, MemoryBreakdown, PlanResponse

MIB = 1 << 20


def budget_parts(memory: MemoryBreakdown) -> int:
    return memory.weights + memory.activation_peak + memory.cuda_graphs + memory.non_torch + memory.kv_available


def test_llama_8b_on_an_h100() -> None:
    response = plan(request(), facts())
    memory, cache = response.memory, response.kv_cache
    assert response.feasibility.fits
    assert response.feasibility.oom_risk == "low"
    assert memory.total == 85_017_493_504
    assert memory.budget == math.ceil(0.92 * memory.total)
    # "Model loading took 14.99 GiB" or 15.0, by version
    assert memory.weights / GIB == pytest.approx(14.99, abs=0.05)
    # the only public log of defaults on an 80 GB Hopper or Ampere card of this size leaves 52 to 57 GiB
    assert 52 < memory.kv_available / GIB < 57
    assert cache.bytes_per_block == 2 << 20
    assert cache.tokens == pytest.approx(memory.kv_available / 131072, rel=1e-3)
    assert cache.max_concurrency == pytest.approx(cache.tokens / 131072, rel=1e-3)
    assert cache.bytes_per_request == 16 * GIB
    assert "vllm serve" in response.artifacts.serve_command
    assert response.config.max_model_len is None, "the model's own limit needs no flag"


def test_what_vllm_printed_for_llama_8b_on_an_a100() -> None:
    """A public log: vllm/vllm-openai:v0.31.0, A100 80 GB, meta-llama/Llama-3.1-8B-Instruct, all defaults."""
    box = facts(gpu="A100-SXM4-80GB")
    response = plan(request(policy={"vllm_version": "0.31.0"}), box)
    assert response.memory.weights / GIB == pytest.approx(15.0, abs=0.02)
    assert response.memory.kv_available / GIB == pytest.approx(56.21, abs=0.25)
    assert response.kv_cache.tokens == pytest.approx(460_496, rel=0.005)
    assert response.kv_cache.max_concurrency == pytest.approx(3.51, abs=0.02)
    low, high = response.kv_cache.tokens_range
    assert low < 460_496 < high


def test_a_model_that_is_too_large_says_by_how_much() -> None:
    response = plan(request("llama-70b"), facts("llama-70b", "RTX 4090", 4))
    report = response.feasibility
    assert not report.fits
    assert report.oom_risk == "high"
    assert report.headroom_gib < 0
    assert response.memory.kv_available < 0
    assert response.memory.weights / GIB == pytest.approx(131.4 / 4, abs=0.5)
    assert "GiB" in report.verdict


def test_a_70b_model_needs_two_of_four_h100() -> None:
    response = plan(request("llama-70b"), facts("llama-70b", gpus=4))
    assert response.feasibility.fits
    assert response.config.tensor_parallel_size in (2, 4)
    assert response.memory.total == 85_017_493_504, "memory is of one GPU, never of all together"


def test_what_the_user_set_stays() -> None:
    response = plan(
        request(
            hardware={"tensor_parallel_size": 1},
            model={"max_model_len": 131072, "kv_cache_dtype": "bfloat16"},
            policy={"gpu_memory_utilization": 0.95, "max_num_seqs": 17},
        ),
        facts(gpu="RTX 4090"),
    )
    assert not response.feasibility.fits
    assert response.config.max_model_len == 131072
    assert response.config.gpu_memory_utilization == 0.95
    assert response.config.max_num_seqs == 17
    assert response.config.kv_cache_dtype == "bfloat16"
    assert response.feasibility.suggestions


def test_suggestions_do_what_they_say() -> None:
    asked = request(model={"max_model_len": 131072})
    box = facts(gpu="RTX 4090")
    report = plan(asked, box).feasibility
    assert not report.fits
    assert report.suggestions
    for suggestion in report.suggestions:
        gpus = suggestion.patch.get("hardware", {}).get("gpus", 1)
        assert plan(patched(asked, suggestion.patch), facts(gpu="RTX 4090", gpus=gpus)).feasibility.fits, (
            suggestion.title
        )


def test_illegal_tensor_parallel_is_named_with_the_legal_ones() -> None:
    report = plan(request(hardware={"tensor_parallel_size": 3}), facts(gpus=4)).feasibility
    assert not report.fits
    assert "3" in report.verdict
    assert "32" in report.verdict
    assert any(s.patch.get("hardware") == {"tensor_parallel_size": None} for s in report.suggestions)


def test_more_gpus_than_there_are() -> None:
    report = plan(request(hardware={"tensor_parallel_size": 8}), facts(gpus=4)).feasibility
    assert not report.fits
    assert "8 GPUs" in report.verdict


def test_a_fixed_cache_size_is_taken_as_it_is() -> None:
    response = plan(request(policy={"kv_cache_memory_bytes": "10G"}), facts())
    assert response.memory.kv_available == 10 * GIB
    assert response.memory.kv_available_range == (10 * GIB, 10 * GIB)
    assert budget_parts(response.memory) == response.memory.budget


def test_idle_gpus_are_named_and_offered_as_replicas() -> None:
    report = plan(request(), facts(gpus=4)).feasibility
    assert any("3 of the GPUs stay idle" in line for line in report.warnings)
    assert any(s.title == "TP 1 -> TP 1 x DP 4: 4.0x concurrency" for s in report.suggestions)


def test_json_is_complete_and_reads_back() -> None:
    response = plan(request(), facts())
    text = response.model_dump_json()
    assert PlanResponse.model_validate_json(text) == response
    assert set(json.loads(text)) == {
        "feasibility",
        "memory",
        "kv_cache",
        "config",
        "performance",
        "artifacts",
        "accuracy",
    }


def test_explanations_only_when_asked() -> None:
    assert plan(request(), facts()).config.explanations == {}
    explained = plan(request().model_copy(update={"explain": True}), facts()).config
    passed = {name for name in type(explained).model_fields if name not in ("deployment", "explanations")} & {
        name for name, value in explained if value is not None
    }
    assert set(explained.explanations) == passed


def test_the_whole_answer_by_hand() -> None:
    """Llama 3.1 8B twice, each on an H100 of which another process holds 1 GiB; the parts as in test_explain.py."""
    asked = request(
        hardware={"data_parallel_size": 2, "tensor_parallel_size": 1, "used_gib": 1},
        workload={"concurrency": 5},
        model={"max_model_len": 8192},
        policy={"gpu_memory_utilization": 0.9},
    )
    box = facts(gpus=2)
    busy = replace(box, gpus=tuple(replace(gpu, used_bytes=GIB) for gpu in box.gpus))
    response = plan(asked, busy)
    budget = 76_515_744_154  # 0.9 of 85,017,493,504, rounded up
    weights = 2 * 8_030_261_248 + 131_072 * 128 * 2
    embedding, hidden = 128_256 * 4096 * 2, 8192 * 4096 * 2
    activations, graphs = embedding + 2 * hidden, 51 * 32 * 537 * 1024
    non_torch = 316 * MIB + 4.125 * 1024 * 128_256 + embedding
    rest = activations + graphs + non_torch
    available = budget - weights - rest
    # 12 % and 150 or 300 MiB of the rest, the embedding that may not be kept, and 1 % of the weights
    low, high = available - 0.12 * rest - 300 * MIB, available + 0.12 * rest + 150 * MIB + embedding
    low, high = low - 0.01 * weights, high + 0.01 * weights
    # 3 of the 5 requests on the fuller replica, of 768 tokens in 48 blocks of 16
    needed = 3 * 48 * 2 * MIB
    memory = response.memory
    assert memory.kv_available_range == pytest.approx((low, high), abs=3)
    assert memory == MemoryBreakdown(
        total=85_017_493_504,
        used_by_others=GIB,
        budget=budget,
        weights=weights,
        activation_peak=activations,
        cuda_graphs=graphs,
        non_torch=int(non_torch),
        kv_available=int(available),
        kv_needed=needed,
        unbudgeted=(480 + 560) * MIB,
        kv_available_range=memory.kv_available_range,
    )
    blocks = int(available) // (2 * MIB)
    assert response.kv_cache == KVCachePlan(
        block_size=16,
        bytes_per_block=2 * MIB,
        num_blocks=blocks,
        tokens=16 * blocks,
        max_model_len=8192,
        max_concurrency=blocks / 512,
        bytes_per_request=GIB,
        estimated_max_model_len=8192,
        groups=[KVCacheGroup(kind="FullAttentionSpec", layers=32, block_size=16, page_size_bytes=65536)],
        tokens_range=(16 * (int(low) // (2 * MIB)), 16 * (int(high) // (2 * MIB))),
    )
    report = response.feasibility
    assert (report.fits, report.oom_risk) == (True, "low")
    assert report.verdict == "Fits: 430,416 tokens of KV cache, 52.54x 8,192 tokens, 52.26 GiB spare."
    assert report.warnings == ["other processes hold 1.0 GiB of a GPU"]
    sizes = (report.vram_total_gib, report.vram_target_alloc_gib, report.weights_gib, report.kv_cache_gib)
    assert sizes == (85_017_493_504 / GIB, budget / GIB, weights / GIB, needed / GIB)
    assert (report.overhead_gib, report.headroom_gib) == (rest / GIB, (available - needed) / GIB)
    # both replicas together, and the longest length of which the fuller one holds its three
    assert (report.max_concurrency_at_context, report.max_context_at_concurrency) == (2 * 52, 8192)
    (offer,) = report.suggestions
    assert (offer.patch, offer.gain) == ({"model": {"kv_cache_dtype": "fp8"}}, "2.0x concurrency")
    sources = {name: one.source for name, one in response.accuracy.items()}
    assert (sources["weights"], sources["kv_cache"]) == ("config", "config")
    assert response.performance.limited_by == "bandwidth"
    assert response.performance.assumptions[0] == "512 prompt and 256 answer tokens, 5 in flight"
    config = response.config
    assert (config.data_parallel_size, config.max_model_len, config.gpu_memory_utilization) == (2, 8192, 0.9)


def test_the_longest_context_is_bound_by_cache_model_and_setting() -> None:
    crowd = plan(request(workload={"concurrency": 40}), facts()).feasibility.max_context_at_concurrency
    cache = plan(request(workload={"concurrency": 40}), facts()).kv_cache
    assert crowd == (cache.num_blocks - 1) // 40 * 16
    longer = request(model={"max_model_len": 500_000}, policy={"kv_cache_memory_bytes": "60G"})
    assert plan(longer, facts()).feasibility.max_context_at_concurrency == 131072


def test_bounds_of_a_cache_are_never_below_nothing() -> None:
    response = plan(request("llama-70b"), facts("llama-70b"))
    assert response.kv_cache.tokens_range == (0, 0)
    assert response.feasibility.oom_risk == "high"
    # an impossible plan is at risk whatever its memory
    assert plan(request(hardware={"tensor_parallel_size": 8}), facts(gpus=4)).feasibility.oom_risk == "high"


def test_the_version_comes_from_user_image_installation_or_is_the_newest() -> None:
    def version(installed: str | None, **policy: str) -> str:
        return plan(request(policy=policy), replace(facts(), installed_vllm=installed)).config.deployment.vllm_version

    assert version("0.29.0", vllm_version="0.31.0", image="vllm/vllm-openai:v0.30.0") == "0.31.0"
    assert version("0.29.0", image="vllm/vllm-openai:v0.30.0") == "0.30.0"
    assert version("0.29.0") == "0.29.0"
    assert version(None) == NEWEST


def test_a_quantised_checkpoint_is_offered_before_quantising_while_loading() -> None:
    from wizard_tui.models.load import load_model_metadata

    asked = request(model={"model": "Qwen/Qwen3-32B"}, hardware={"gpu": "RTX 4090"})
    known = replace(facts(gpu="RTX 4090"), metadata=load_model_metadata("Qwen/Qwen3-32B"))
    offered = plan(asked, known).feasibility.suggestions
    assert {"model": {"model": "Qwen/Qwen3-32B-AWQ"}} in [one.patch for one in offered]
    applied = patched(asked, {"model": {"model": "Qwen/Qwen3-32B-AWQ"}})
    after = plan(applied, replace(known, metadata=load_model_metadata("Qwen/Qwen3-32B-AWQ")))
    assert after.feasibility.fits
