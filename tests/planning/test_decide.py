"""What a request leaves open, and how it is settled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, VERSION, facts, request
from wizard_tui.engine.versions import rules_for
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.observed import Observation
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.decide import (
    Decision,
    batch_limits,
    choose_length,
    decide,
    layouts,
    performance_mode,
    safe_utilisation,
    settle,
    smallest,
    speculative_tokens,
)
from wizard_tui.planning.settings import Layout
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import HardwareInput, PolicyInput
from wizard_tui.schemas.numbers import GIB


def model(**changed: Any) -> Any:
    return metadata_from_config(LLAMA_8B | changed, model_id="test/model", source="config")


def tried(gpus: int, metadata: Any = None, **hardware: Any) -> list[str]:
    return [str(layout) for layout in layouts(HardwareInput(**hardware), metadata or model(), gpus)]


def decided(box: Facts | None = None, name: str = "llama-8b", **sections: dict[str, Any]) -> Decision:
    return decide(request(name, **sections), box or facts(name))


@pytest.mark.parametrize(
    ("gpus", "hardware", "order"),
    [
        (1, {}, ["TP 1"]),
        # fewest GPUs first; stages on one machine come last
        (2, {}, ["TP 1", "TP 2", "TP 1 x PP 2"]),
        (3, {}, ["TP 1", "TP 2", "TP 1 x PP 2", "TP 1 x PP 3"]),
        (4, {"tensor_parallel_size": 2}, ["TP 2", "TP 2 x PP 2"]),
        (4, {"pipeline_parallel_size": 2}, ["TP 1 x PP 2", "TP 2 x PP 2"]),
        (4, {"data_parallel_size": 2}, ["TP 1 x DP 2", "TP 2 x DP 2", "TP 1 x PP 2 x DP 2"]),
        (2, {"enable_expert_parallel": True}, ["TP 1 x EP", "TP 2 x EP", "TP 1 x PP 2 x EP"]),
        # stages span machines, tensor parallel does not
        (2, {"nodes": 2}, ["TP 1", "TP 2", "TP 1 x PP 2", "TP 2 x PP 2", "TP 1 x PP 3", "TP 1 x PP 4"]),
        # an explicit layout is tried even if it is impossible
        (1, {"tensor_parallel_size": 8, "pipeline_parallel_size": 4}, ["TP 8 x PP 4"]),
        (1, {"tensor_parallel_size": 8}, ["TP 8"]),
        (1, {"data_parallel_size": 4}, ["TP 1 x DP 4"]),
        (2, {"tensor_parallel_size": 3}, ["TP 3"]),
    ],
)
def test_layouts_in_the_order_in_which_they_are_tried(gpus: int, hardware: dict[str, Any], order: list[str]) -> None:
    assert tried(gpus, **hardware) == order


def test_no_more_stages_than_layers_and_no_illegal_size() -> None:
    assert tried(4, model(num_hidden_layers=2)) == ["TP 1", "TP 2", "TP 4", "TP 1 x PP 2", "TP 2 x PP 2"]
    # 14 heads over 2 of keys
    odd = model(num_attention_heads=14, num_key_value_heads=2, hidden_size=896, intermediate_size=4864)
    assert "TP 4" not in tried(4, odd)


def test_the_smallest_gpu_decides() -> None:
    large, small = get_gpu_by_name("H100 80GB"), get_gpu_by_name("RTX 4090")
    assert smallest([large, small]) is small
    assert smallest([replace(large, used_bytes=70 * GIB), small]).name == large.name
    with pytest.raises(ValueError, match=r"^no GPU is given; name one, or give its memory with vram_gb$"):
        smallest([])


def test_the_fewest_gpus_that_hold_it_safely() -> None:
    assert str(decided(facts(gpus=8)).estimate.settings.layout) == "TP 1"
    assert decided(facts(gpus=8)).idle_gpus == 7
    large = decided(facts("llama-70b", gpus=8), "llama-70b")
    assert large.fits
    assert not large.estimate.tight
    # two hold it with 15,360 tokens of context, four with all 131,072
    assert str(large.estimate.settings.layout) == "TP 4"
    short = decided(facts("llama-70b", gpus=8), "llama-70b", model={"max_model_len": 8192})
    assert str(short.estimate.settings.layout) == "TP 2"
    # where none holds it, the one with most room is shown
    none = decided(facts("llama-70b", "RTX 4090", 2), "llama-70b")
    assert not none.fits
    assert none.estimate.settings.layout.gpus == 2


def test_when_nothing_fits_the_layout_with_most_room_is_kept() -> None:
    """405 B on eight cards of 24 GB: no layout holds it, so the one with the least weights a card is taken."""
    metadata = load_model_metadata("meta-llama/Llama-3.1-405B")
    box = Facts(metadata, (get_gpu_by_name("RTX 4090"),) * 8, VERSION)
    found = decide(request(), box)
    assert found.estimate.settings.layout.gpus == 8
    assert not found.estimate.starts


@pytest.mark.parametrize(
    ("sections", "box", "problem"),
    [
        ({"hardware": {"tensor_parallel_size": 8}}, facts(gpus=4), "TP 8 needs 8 GPUs and there are 4"),
        ({"hardware": {"tensor_parallel_size": 4}}, facts(gpus=4), None),
        ({"hardware": {"tensor_parallel_size": 4, "nodes": 2, "pipeline_parallel_size": 2}}, facts(gpus=4), None),
        (
            {"model": {"dtype": "bfloat16"}},
            facts(gpu="T4"),
            "bfloat16 needs compute capability 8.0, the GPU has 7.5; take float16",
        ),
        (
            {"policy": {"speculative_tokens": 1}},
            facts(),
            "the checkpoint has no layers that draft tokens (MTP); set speculative_tokens to 0",
        ),
        (
            {"hardware": {"enable_expert_parallel": True}},
            facts(),
            "expert parallel needs a mixture of experts, which the model is not",
        ),
        (
            {"hardware": {"pipeline_parallel_size": 33, "tensor_parallel_size": 1}},
            facts(gpus=33),
            "33 pipeline stages are more than the 32 layers of the model",
        ),
    ],
)
def test_an_impossible_request_is_reported_and_not_changed(
    sections: dict[str, Any], box: Facts, problem: str | None
) -> None:
    found = decide(request(**sections), box)
    assert found.problem == problem
    assert found.fits == (problem is None)
    for name, value in sections.get("hardware", {}).items():
        short = {"tensor_parallel_size": "tp", "pipeline_parallel_size": "pp"}.get(name)
        assert short is None or getattr(found.estimate.settings.layout, short) == value


@pytest.mark.parametrize(
    ("quantization", "gpu", "refused"),
    [
        ("fp8_per_tensor", "H100 80GB", False),
        # online fp8 on a chip older than Turing
        ("fp8_per_tensor", "V100-SXM2-32GB", True),
        # methods for experts, on a model that has none
        ("nvfp4_per_token", "B200", True),
        # of a checkpoint that is not quantised that way
        ("awq", "H100 80GB", True),
    ],
)
def test_methods_of_quantisation_by_gpu_and_checkpoint(quantization: str, gpu: str, refused: bool) -> None:
    found = decided(facts(gpu=gpu), model={"quantization": quantization, "dtype": "float16"})
    assert (found.problem is not None) == refused


def test_idle_gpus_are_those_of_all_machines() -> None:
    assert decided(facts(gpus=4), hardware={"nodes": 2}).idle_gpus == 7
    assert decided(facts(gpus=2), hardware={"tensor_parallel_size": 4}).idle_gpus == 0


@pytest.mark.parametrize(
    ("policy", "installed", "version"),
    [
        ({"vllm_version": "0.31.0", "image": "vllm/vllm-openai:v0.30.0"}, "0.29.0", "0.31.0"),
        ({"image": "vllm/vllm-openai:v0.30.0"}, "0.29.0", "0.30.0"),
        ({}, "0.29.0", "0.29.0"),
    ],
)
def test_rules_are_those_of_the_version(policy: dict[str, Any], installed: str, version: str) -> None:
    found = decided(replace(facts(), installed_vllm=installed), policy=policy)
    assert found.rules == rules_for(version)
    assert found.estimate.settings.vllm_version == version


def settled(box: Facts, **sections: dict[str, Any]) -> Any:
    return settle(request(**sections), box, box.gpus[0], Layout(), rules_for("0.33.0")).settings


def test_defaults_are_vllms() -> None:
    """H100: 8192 tokens and 1024 requests a step; RTX 4090: 2048 and 256 (engine/arg_utils.py)."""
    large, small = settled(facts()), settled(facts(gpu="RTX 4090"))
    assert (large.max_num_batched_tokens, large.max_num_seqs) == (8192, 1024)
    assert (small.max_num_batched_tokens, small.max_num_seqs) == (2048, 256)
    assert (large.gpu_memory_utilization, large.dtype, large.kv_cache_dtype) == (0.92, "bfloat16", "auto")
    assert (large.enforce_eager, large.enable_prefix_caching, large.performance_mode) == (False, True, "balanced")
    assert (large.speculative_tokens, large.draft_layers, large.max_loras, large.max_lora_rank) == (0, 0, 0, 0)
    assert (large.quantization, large.kv_cache_memory_bytes, large.block_size) == (None, None, None)
    assert large.max_model_len == 131072


def test_user_settings_reach_the_decided_settings() -> None:
    found = settled(
        facts(),
        model={"dtype": "float16", "quantization": "fp8_per_tensor", "kv_cache_dtype": "fp8", "max_model_len": 4096},
        policy={
            "max_num_seqs": 17, "max_num_batched_tokens": 3000, "gpu_memory_utilization": 0.5,
            "kv_cache_memory_bytes": "4G", "block_size": 32, "enforce_eager": True, "enable_prefix_caching": False,
            "max_cudagraph_capture_size": 48, "max_loras": 3, "max_lora_rank": 64,
        },
        workload={"batching_mode": "throughput"},
    )  # fmt: skip
    assert (
        found._asdict().items()
        >= {
            "layout": Layout(),
            "dtype": "float16",
            "quantization": "fp8_per_tensor",
            "kv_cache_dtype": "fp8",
            "max_model_len": 4096,
            "max_num_seqs": 17,
            "max_num_batched_tokens": 3000,
            "gpu_memory_utilization": 0.5,
            "kv_cache_memory_bytes": 4 * GIB,
            "block_size": 32,
            "enforce_eager": True,
            "enable_prefix_caching": False,
            "vllm_version": "0.33.0",
            "performance_mode": "throughput",
            "max_cudagraph_capture_size": 48,
            "speculative_tokens": 0,
            "draft_layers": 0,
            "max_loras": 3,
            "max_lora_rank": 64,
        }.items()
    )


def test_limits_of_a_step_bound_each_other() -> None:
    """No more requests than tokens in a step, and no more tokens than all requests together can have."""
    assert settled(facts(), policy={"max_num_batched_tokens": 100}).max_num_seqs == 100
    few = settled(facts(), model={"max_model_len": 512}, policy={"max_num_seqs": 4})
    assert few.max_num_batched_tokens == 4 * 512


def test_adapters_have_vllms_rank_unless_said() -> None:
    two = settled(facts(), policy={"lora_modules": "a=b/c d=e/f"})
    assert (two.max_loras, two.max_lora_rank) == (2, 16)
    assert settled(facts(), policy={"lora_modules": "a=b/c", "max_loras": 5, "max_lora_rank": 8}).max_loras == 5
    assert settled(facts(), policy={"max_lora_rank": 8}).max_lora_rank == 0


def test_a_share_that_the_card_cannot_give_is_lowered_in_hundredths() -> None:
    box = facts()
    busy = replace(box, gpus=(replace(box.gpus[0], used_bytes=20 * GIB),))
    found = settled(busy)
    free = (busy.gpus[0].total_bytes - 20 * GIB) / busy.gpus[0].total_bytes
    assert found.gpu_memory_utilization < free
    assert found.gpu_memory_utilization == pytest.approx(round(found.gpu_memory_utilization, 2))
    assert settled(busy, policy={"gpu_memory_utilization": 0.92}).gpu_memory_utilization == 0.92
    full = replace(box, gpus=(replace(box.gpus[0], used_bytes=79 * GIB),))
    assert settled(full).gpu_memory_utilization == 0.01


def test_the_safe_share_leaves_room_for_others_and_for_what_is_outside() -> None:
    result = decided().estimate
    outside = result.overhead.unbudgeted
    gpu = replace(result.gpu, total_bytes=100 * GIB, used_bytes=30 * GIB - outside)
    assert safe_utilisation(replace(result, gpu=gpu)) == pytest.approx(0.7)
    less = replace(gpu, used_bytes=gpu.used_bytes + 1)
    assert safe_utilisation(replace(result, gpu=less)) == pytest.approx(0.69)


def test_recurrent_states_bound_the_requests() -> None:
    """mamba-2.8b on a card that holds fewer states than vLLM's default of requests."""
    metadata = load_model_metadata("state-spaces/mamba-2.8b-hf")
    (gpu,) = facts(gpu="RTX 4090").gpus
    box = Facts(metadata, (replace(gpu, total_bytes=8 * GIB),), VERSION)
    found = decide(request(), box).estimate
    # fewer requests need less beside the cache, which then holds a few states more
    assert found.cache.state_blocks is not None
    assert 64 < found.settings.max_num_seqs <= found.cache.state_blocks < 256
    assert decide(request(policy={"max_num_seqs": 200}), box).estimate.settings.max_num_seqs == 200


@pytest.mark.parametrize(
    ("kv_low", "wanted", "chosen"),
    [
        # 128 KiB a token, beside the null block
        ("131072 tokens", 768, 131072),
        ("131071 tokens", 768, 130048),
        ("5000 tokens", 768, 4096),
        ("4095 tokens", 768, 4080),
        ("100 tokens", 768, 768),
        ("20000 tokens", 20_001, 20_001),
        ("20000 tokens", 500_000, 131072),
    ],
)
def test_a_length_that_is_left_open(kv_low: str, wanted: int, chosen: int) -> None:
    result = decided().estimate
    tokens = int(kv_low.split()[0]) // 16 * 16 + 16
    asked = request(workload={"prompt_tokens": wanted - 1, "gen_tokens": 1})
    assert choose_length(replace(result, kv_low=tokens * 131072), asked, facts().metadata) == chosen


def test_a_length_left_open_is_one_that_starts() -> None:
    found = decided(facts(gpu="RTX 4090")).estimate
    assert found.starts
    assert found.settings.max_model_len < 131072
    assert found.spare_at_worst >= 0
    assert decided(facts(gpu="RTX 4090"), model={"max_model_len": 131072}).estimate.settings.max_model_len == 131072


@pytest.mark.parametrize(
    ("mode", "version", "word"),
    [
        ("balanced", "0.33.0", "balanced"),
        ("latency", "0.33.0", "interactivity"),
        ("throughput", "0.33.0", "throughput"),
        ("latency", "0.18.0", "interactivity"),
        ("latency", "0.17.9", "balanced"),
    ],
)
def test_modes_in_vllms_words(mode: str, version: str, word: str) -> None:
    assert performance_mode(request(workload={"batching_mode": mode}), rules_for(version)) == word


def test_drafts_are_made_where_latency_matters() -> None:
    deepseek = load_model_metadata("deepseek-ai/DeepSeek-V3")
    newest = rules_for("0.33.0")
    latency, balanced = (request(workload={"batching_mode": mode}) for mode in ("latency", "balanced"))
    assert speculative_tokens(latency, deepseek, newest) == 1
    assert speculative_tokens(balanced, deepseek, newest) == 0
    assert speculative_tokens(latency, deepseek, rules_for("0.12.0")) == 0
    assert speculative_tokens(latency, facts().metadata, newest) == 0
    for drafts in (0, 3):
        asked = request(workload={"batching_mode": "latency"}, policy={"speculative_tokens": drafts})
        assert speculative_tokens(asked, deepseek, newest) == drafts
    box = Facts(deepseek, (get_gpu_by_name("H200"),) * 8, VERSION)
    said = decide(request(policy={"speculative_tokens": 3}), box).estimate.settings
    assert (said.speculative_tokens, said.draft_layers) == (3, 1)
    off = decide(request(policy={"speculative_tokens": 0}), box).estimate.settings
    assert (off.speculative_tokens, off.draft_layers) == (0, 0)


@pytest.mark.parametrize(
    ("gpu", "policy", "mode", "limits"),
    [
        ("H100 80GB", {}, "balanced", (8192, 1024)),
        ("H100 80GB", {}, "throughput", (16384, 2048)),
        ("A100-SXM4-80GB", {}, "balanced", (2048, 256)),
        ("RTX 4090", {}, "balanced", (2048, 256)),
        ("H100 80GB", {"max_num_seqs": 32}, "balanced", (8192, 32)),
        ("H100 80GB", {"max_num_batched_tokens": 512}, "balanced", (512, 512)),
    ],
)
def test_batches_of_vllm(gpu: str, policy: dict[str, Any], mode: str, limits: tuple[int, int]) -> None:
    assert batch_limits(get_gpu_by_name(gpu), 131072, PolicyInput(**policy), mode, rules_for("0.33.0")) == limits


def test_a_gpu_without_bfloat16_computes_in_float16() -> None:
    found = decided(facts(gpu="T4"), model={"max_model_len": 2048})
    assert found.estimate.settings.dtype == "float16"
    assert found.problem is None


def test_observations_are_looked_up_by_gpu_version_model_and_layout() -> None:
    box, version = facts(), decided().rules.version
    row = Observation(box.gpus[0].name, version, "test/llama-8b", "TP 1", GIB, "2026-01-01")
    plain = decided().estimate.kv_available
    for changed, more in (
        ({}, GIB),
        ({"gpu": "another"}, 0),
        ({"vllm_version": "0.1.0"}, 0),
        ({"model": "another"}, 0),
        ({"layout": "TP 2"}, 0),
    ):
        seen = replace(box, observed=(replace(row, **changed),))
        assert plain - decided(seen).estimate.kv_available == more


def test_where_nothing_fits_the_layout_with_most_room_for_a_request_is_shown() -> None:
    """70 B with all its length on four cards of 40 GB: each of three layouts holds the weights, none a request."""
    asked = request("llama-70b", model={"max_model_len": 131072})
    box = facts("llama-70b", "A100-SXM4-40GB", 4)
    found = decide(asked, box)
    rooms = {}
    for layout in layouts(asked.hardware, box.metadata, 4):
        one = settle(asked, box, box.gpus[0], layout, rules_for("0.33.0"))
        if one.weights.bytes < one.gpu.total_bytes:
            rooms[str(layout)] = one.kv_available / one.cache.bytes_per_request
    assert len(rooms) == 3
    assert not found.fits
    assert str(found.estimate.settings.layout) == max(rooms, key=lambda name: rooms[name])


def test_a_model_that_float16_cannot_hold_is_served_in_float32_by_an_old_gpu() -> None:
    gemma = load_model_metadata("google/gemma-2-2b-it")
    assert decide(request(), replace(facts(gpu="T4"), metadata=gemma)).estimate.settings.dtype == "float32"
    refused = decide(request(model={"dtype": "float16"}), replace(facts(), metadata=gemma))
    assert refused.problem == "vLLM does not serve gemma2 models in float16; take bfloat16 or float32"
