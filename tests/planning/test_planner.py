"""The whole plan: its parts agree with one another and with vLLM's rules."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.conftest import facts, request
from wizard_tui.engine.versions import NEWEST
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched
from wizard_tui.schemas.numbers import GIB
from wizard_tui.schemas.outputs import MemoryBreakdown, PlanResponse

FACTS = {
    (m, g, n): facts(m, g, n) for m in ("llama-8b", "qwen3-30b-a3b") for g in ("H100 80GB", "RTX 4090") for n in (1, 4)
}


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
    assert any(s.patch == {"hardware": {"data_parallel_size": 4}} for s in report.suggestions)


def test_json_is_complete_and_comes_back() -> None:
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


lengths = st.one_of(st.none(), st.integers(1, 131072))


@st.composite
def requests(draw: st.DrawFn) -> tuple[Any, Any]:
    model, gpu, count = draw(st.sampled_from(sorted(FACTS)))
    sections = {
        "model": {
            "max_model_len": draw(lengths),
            "kv_cache_dtype": draw(st.sampled_from(["auto", "fp8", "bfloat16"])),
            "quantization": draw(st.sampled_from([None, "fp8_per_tensor"])),
        },
        "hardware": {
            "tensor_parallel_size": draw(st.sampled_from([None, 1, 2, 3, 4])),
            "pipeline_parallel_size": draw(st.sampled_from([None, 1, 2])),
            "used_gib": draw(st.sampled_from([None, 0, 3.5])),
        },
        "workload": {
            "prompt_tokens": draw(st.integers(1, 40000)),
            "gen_tokens": draw(st.integers(1, 8000)),
            "concurrency": draw(st.integers(1, 2000)),
            "target_tpot_ms": draw(st.sampled_from([None, 20.0])),
        },
        "policy": {
            "gpu_memory_utilization": draw(st.one_of(st.none(), st.floats(0.05, 1.0))),
            "max_num_seqs": draw(st.sampled_from([None, 1, 64, 4096])),
            "max_num_batched_tokens": draw(st.sampled_from([None, 512, 65536])),
            "enforce_eager": draw(st.sampled_from([None, True])),
        },
    }
    return request(model, **sections), FACTS[(model, gpu, count)]


@settings(max_examples=60, deadline=None)
@given(requests())
def test_invariants_of_any_plan(drawn: tuple[Any, Any]) -> None:
    asked, box = drawn
    response = plan(asked, box)
    memory, cache, speed = response.memory, response.kv_cache, response.performance
    assert budget_parts(memory) == memory.budget
    low, high = memory.kv_available_range
    assert low <= memory.kv_available <= high
    assert response.feasibility.headroom_gib == pytest.approx((memory.kv_available - memory.kv_needed) / GIB)
    assert cache.tokens >= 0
    assert cache.tokens_range[0] <= cache.tokens <= cache.tokens_range[1]
    for name in ("decode", "single_stream", "saturated", "prefill"):
        slow, fast = getattr(speed, f"{name}_toks_per_s_range")
        assert 0 < slow < fast
    assert response.config.max_model_len is None or response.config.max_model_len >= 1
    if asked.model.max_model_len:
        assert response.config.max_model_len == asked.model.max_model_len
    if response.feasibility.fits:
        assert memory.kv_available > 0
        assert response.feasibility.headroom_gib >= 0


@settings(max_examples=25, deadline=None)
@given(requests(), st.sampled_from(["max_model_len", "gpus"]))
def test_longer_context_never_raises_concurrency(drawn: tuple[Any, Any], _: str) -> None:
    asked, box = drawn
    if asked.model.max_model_len is None or asked.model.max_model_len > 60000:
        return
    # on the same layout: a longer context may make the planner take more GPUs
    layout = plan(asked, box).config
    pinned = {
        "tensor_parallel_size": layout.tensor_parallel_size or 1,
        "pipeline_parallel_size": layout.pipeline_parallel_size or 1,
    }
    asked = patched(asked, {"hardware": pinned})
    longer = patched(asked, {"model": {"max_model_len": 2 * (asked.model.max_model_len or 1)}})
    assert plan(longer, box).kv_cache.max_concurrency <= plan(asked, box).kv_cache.max_concurrency


def test_the_version_is_the_users_the_images_the_installed_one_or_the_newest() -> None:
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
