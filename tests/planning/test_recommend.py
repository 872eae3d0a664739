"""The flags a plan passes: those that are needed, those the user set, and no others."""

from __future__ import annotations

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.engine.flags import flag_arguments, flags_of
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.decide import decide
from wizard_tui.planning.recommend import build_config, generate_recommendations
from wizard_tui.resolve import Facts
from wizard_tui.schemas.numbers import GIB


def passed(config: object) -> dict[str, object]:
    fields = {name: getattr(config, name) for name in type(config).model_fields}  # type: ignore[attr-defined]
    return {
        name: value
        for name, value in fields.items()
        if value is not None and name not in ("deployment", "explanations")
    }


def test_what_vllm_does_by_itself_is_not_said() -> None:
    known = facts()
    config = generate_recommendations(request(), known.metadata, known.gpus, known.gpus[0].total_bytes)
    assert set(passed(config)) <= {"model", "host", "tool_call_parser", "enable_auto_tool_choice"}


def test_a_group_of_gpus_is_used_when_one_is_too_small() -> None:
    known = facts("llama-70b", "A100-SXM4-80GB", 4)
    config = generate_recommendations(request("llama-70b"), known.metadata, known.gpus, 4 * known.gpus[0].total_bytes)
    assert config.tensor_parallel_size in (2, 4)
    assert config.deployment.gpu_count == config.tensor_parallel_size


def test_memory_that_is_given_counts_instead_of_the_gpus() -> None:
    known = facts("llama-8b", "RTX 4090")
    small = generate_recommendations(request(), known.metadata, known.gpus, 24 * GIB)
    large = generate_recommendations(request(), known.metadata, known.gpus, 80 * GIB)
    assert small.max_model_len is not None
    assert large.max_model_len is None


@pytest.mark.parametrize("version", ["0.19.0", "0.29.0", "0.33.0"])
def test_every_flag_is_one_of_that_version(version: str) -> None:
    everything = {
        "model": {
            "dtype": "bf16", "kv_cache_dtype": "fp8", "max_model_len": 4096, "revision": "main", "tokenizer": "a/b",
        },
        "hardware": {"tensor_parallel_size": 2},
        "policy": {
            "vllm_version": version, "gpu_memory_utilization": 0.8, "max_num_seqs": 64, "max_num_batched_tokens": 4096,
            "block_size": 32, "enforce_eager": True, "enable_prefix_caching": False, "port": 9000,
            "served_model_name": "mine",
        },
    }  # fmt: skip
    decision = decide(request(**everything), facts(gpus=2))
    config = build_config(decision)
    known = flags_of(version)
    for name, value in passed(config).items():
        if name != "model":
            assert name in known
            assert flag_arguments(name, value, version)
    for section, fields in everything.items():
        for name in fields:
            if (section, name) != ("policy", "vllm_version"):
                assert getattr(config, name) is not None, f"{name} was set by the user"


def test_reasons_are_given_on_demand_alone() -> None:
    assert build_config(decide(request(), facts())).explanations == {}
    asked = request().model_copy(update={"explain": True})
    assert set(build_config(decide(asked, facts())).explanations) >= {"model", "host"}


def test_latency_makes_use_of_drafting_layers() -> None:
    metadata = load_model_metadata("deepseek-ai/DeepSeek-V3")
    box = Facts(metadata, (get_gpu_by_name("H200"),) * 8)
    quick, plain = (decide(request(workload={"batching_mode": mode}), box) for mode in ("latency", "balanced"))
    assert passed(build_config(quick))["speculative_config"] == {"method": "mtp", "num_speculative_tokens": 1}
    assert passed(build_config(quick))["performance_mode"] == "interactivity"
    assert "speculative_config" not in passed(build_config(plain))
    # one layer of 58 with experts beside three without, split over eight GPUs (memory model 2.3: 11.6 G parameters)
    more = quick.estimate.weights.bytes - plain.estimate.weights.bytes
    assert more == pytest.approx(11.6e9 / 8, rel=0.15)
    old = decide(request(workload={"batching_mode": "latency"}, policy={"vllm_version": "0.12.0"}), box)
    assert not {"speculative_config", "performance_mode"} & set(passed(build_config(old)))


def test_what_cannot_draft_is_not_made_to() -> None:
    decision = decide(request(policy={"speculative_tokens": 2}), facts())
    assert "no layers that draft" in str(decision.problem)


def test_throughput_doubles_the_batches() -> None:
    mode, plain = (decide(request(workload={"batching_mode": m}), facts()) for m in ("throughput", "balanced"))
    assert passed(build_config(mode))["performance_mode"] == "throughput"
    assert mode.estimate.settings.max_num_seqs == 2 * plain.estimate.settings.max_num_seqs
    assert mode.estimate.settings.max_num_batched_tokens == 2 * plain.estimate.settings.max_num_batched_tokens
    assert not {"max_num_seqs", "max_num_batched_tokens"} & set(passed(build_config(mode)))


def test_room_for_adapters_is_counted_by_rank_and_number() -> None:
    plain, one, two = (
        decide(request(policy=policy), facts()).estimate.weights.bytes
        for policy in ({}, {"max_loras": 1, "max_lora_rank": 16}, {"max_loras": 2, "max_lora_rank": 64})
    )
    hidden, kv, inner = 4096, 1024, 14336
    sides = 2 * (hidden + hidden) + 2 * (hidden + kv) + 3 * (hidden + inner)
    assert one - plain == 32 * sides * 16 * 2
    assert two - plain == 8 * (one - plain)
    config = build_config(decide(request(policy={"lora_modules": "a=b/c d=e/f"}), facts()))
    assert (config.enable_lora, config.max_loras, config.max_lora_rank) == (True, 2, 16)
    assert config.lora_modules == ("a=b/c", "d=e/f")
    assert "--lora-modules" in " ".join(flag_arguments("lora_modules", config.lora_modules, "0.33.0"))


def test_smaller_graphs_take_less_memory() -> None:
    whole, small, none = (
        decide(request(policy=policy), facts()).estimate.overhead.cuda_graphs
        for policy in ({}, {"max_cudagraph_capture_size": 64}, {"enforce_eager": True})
    )
    assert whole > small > none == 0
