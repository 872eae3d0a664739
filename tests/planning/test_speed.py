"""From a decided plan to the roofline's inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, QWEN3_30B_A3B, facts, request
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.perf import Measured, predict
from wizard_tui.planning.roofline import Load, Roofline
from wizard_tui.planning.speed import (
    arithmetic_of,
    curve,
    expert_share,
    forecast,
    load_of,
    measured_of,
    missed_goals,
    performance,
    traffic_of,
)
from wizard_tui.schemas.outputs import PerfEstimate


def model(config: dict[str, Any], **quantization: Any) -> ModelMetadata:
    changed = config | ({"quantization_config": quantization} if quantization else {})
    return metadata_from_config(changed, model_id="test/model", source="config")


def decided(name: str = "llama-8b", gpus: int = 1, **sections: dict[str, Any]) -> Decision:
    return decide(request(name, **sections), facts(name, gpus=gpus))


def speed_of(decision: Decision) -> PerfEstimate:
    return performance(decision)


def test_a_dense_model_reads_its_weights_but_not_its_embedding() -> None:
    decision = decided()
    load = load_of(decision.estimate, decision.facts.metadata)
    weights = decision.estimate.weights
    assert load.dense_bytes == weights.bytes - weights.parts.get("embedding", 0)
    assert (load.expert_bytes, load.num_experts, load.moe_layers) == (0, 0, 0)
    # 2 tensors of 32 layers with 8 heads of 128 in 16 bits
    assert load.kv_bytes_per_token == 2 * 32 * 8 * 128 * 2
    assert load.kv_bytes_per_request == pytest.approx(0, abs=16 * load.kv_bytes_per_token)
    assert load.weight_bits == 16


def test_tensor_parallelism_shares_out_bytes_and_work() -> None:
    one, two = decided(), decided(gpus=2, hardware={"tensor_parallel_size": 2})
    whole = load_of(one.estimate, one.facts.metadata)
    half = load_of(two.estimate, two.facts.metadata)
    assert half.tp == 2
    assert half.active_params == whole.active_params / 2
    assert half.kv_bytes_per_token == whole.kv_bytes_per_token / 2
    assert half.dense_bytes == pytest.approx(whole.dense_bytes / 2, rel=0.05)


def test_a_token_skips_the_experts_not_chosen() -> None:
    metadata = model(QWEN3_30B_A3B)
    # 48 layers of 128 experts of three 2048 x 768 matrices
    held = 48 * 128 * 3 * 2048 * 768
    assert expert_share(metadata) == pytest.approx(held / metadata.num_params, rel=0.01)
    assert expert_share(model(LLAMA_8B)) == 0
    decision = decided("qwen3-30b-a3b")
    load = load_of(decision.estimate, metadata)
    assert load.expert_bytes == pytest.approx(2 * held, rel=0.03)
    assert load.touched_bytes(1) < 0.2 * load.touched_bytes(10_000)


@pytest.mark.parametrize(
    ("stated", "arithmetic"),
    [
        ({}, "half"),
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, "fp8"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "fp4"),
        ({"quant_method": "mxfp4"}, "half"),
        ({"quant_method": "awq", "bits": 4}, "half"),
        ({"quant_method": "gptq", "bits": 8}, "half"),
        ({"quant_method": "bitsandbytes"}, "half"),
    ],
)
def test_arithmetic_by_method(stated: dict[str, Any], arithmetic: str) -> None:
    assert arithmetic_of(model(LLAMA_8B, **stated)) == arithmetic


@pytest.mark.parametrize(
    ("activations", "arithmetic"),
    [
        (None, "half"),
        ({"type": "int", "num_bits": 8}, "int8"),
        ({"type": "float", "num_bits": 8}, "fp8"),
        ({"type": "float", "num_bits": 4}, "fp4"),
        ({"type": ["float"], "num_bits": {}}, "half"),
        ("nonsense", "half"),
    ],
)
def test_compressed_tensors_says_what_activations_are(activations: object, arithmetic: str) -> None:
    group = {"weights": {"type": "int", "num_bits": 4}, "input_activations": activations}
    metadata = model(LLAMA_8B, quant_method="compressed-tensors", config_groups={"group_0": group})
    assert arithmetic_of(metadata) == arithmetic


def test_a_method_asked_for_counts_before_the_checkpoint() -> None:
    assert arithmetic_of(model(LLAMA_8B), "fp8") == "fp8"


def test_latent_attention_has_its_own_widths() -> None:
    metadata = load_model_metadata("deepseek-ai/DeepSeek-V3")
    decision = decide(request("llama-8b"), facts())
    load = load_of(decision.estimate, metadata)
    # 128 heads; scores are 128 + 64 wide, values 128
    assert load.query_dim == 128 * (192 + 128) / 2


@pytest.mark.parametrize(
    ("name", "layers"),
    [("openai/gpt-oss-20b", 12), ("Qwen/Qwen3.5-27B", 16), ("google/gemma-3-27b-it", 10), ("Qwen/Qwen3-8B", 36)],
)
def test_windows_and_states_do_not_look_at_the_whole_context(name: str, layers: int) -> None:
    load = load_of(decided().estimate, load_model_metadata(name))
    assert load.attention_layers == layers


def test_traffic_has_the_limits_of_the_plan() -> None:
    decision = decided(
        workload={"prompt_tokens": 2000, "gen_tokens": 100, "concurrency": 9, "shared_prefix_tokens": 500},
        policy={"max_num_seqs": 32, "max_num_batched_tokens": 4096},
    )
    traffic = traffic_of(decision.request, decision.estimate)
    assert (traffic.prompt_tokens, traffic.gen_tokens, traffic.concurrency) == (2000, 100, 9)
    assert (traffic.max_num_seqs, traffic.max_num_batched_tokens) == (32, 4096)
    assert traffic.shared_prefix_tokens == 500
    assert traffic.kv_tokens == pytest.approx(decision.estimate.kv_available / 131072, rel=0.02)
    apart = decided(workload={"shared_prefix_tokens": 500}, policy={"enable_prefix_caching": False})
    assert traffic_of(apart.request, apart.estimate).shared_prefix_tokens == 0


def test_the_version_decides_the_overheads() -> None:
    old, new = (speed_of(decided(policy={"vllm_version": version})) for version in ("0.10.0", "0.20.0"))
    assert old.tpot_ms_range[0] > new.tpot_ms_range[0]


def test_the_curve_rises_to_beyond_what_runs_at_once() -> None:
    decision = decided(policy={"max_num_seqs": 24})
    points = curve(decision)
    assert [clients for clients, _ in points] == [1, 2, 4, 8, 16, 32]
    tpot = [point.tpot_ms for _, point in points]
    ttft = [point.ttft_ms for _, point in points]
    assert tpot == sorted(tpot)
    assert ttft == sorted(ttft)
    assert points[-1][1].queued


def test_a_measured_run_corrects_every_figure_of_the_plan() -> None:
    decision = decided(workload={"concurrency": 4})
    plain = curve(decision)
    slow = 3 * plain[0][1].tpot_ms
    run = {"concurrency": 4, "measured_tpot_ms": slow, "measured_concurrency": 1}
    corrected = decided(workload=run)
    assert measured_of(corrected.request.workload) == Measured(512, 256, 1, tpot_ms=slow)
    assert curve(corrected)[0][1].tpot_ms == pytest.approx(slow)
    before, after = speed_of(decision), speed_of(corrected)
    assert after.tpot_ms_range[0] > 2 * before.tpot_ms_range[0]
    assert any("your own measured point" in line for line in after.assumptions)
    assert measured_of(decision.request.workload) is None


def test_goals_are_missed_by_the_median() -> None:
    met = decided(workload={"target_tpot_ms": 1000, "target_ttft_ms": 100_000})
    assert missed_goals(met) == ()
    both = decided(workload={"target_tpot_ms": 0.1, "target_ttft_ms": 0.1})
    assert missed_goals(both) == ("ttft", "tpot")
    assert missed_goals(decided()) == ()


def test_drafts_widen_the_range_to_the_better_side() -> None:
    decision = decided()
    drafting = replace(decision.estimate, settings=decision.estimate.settings._replace(speculative_tokens=1))
    plain, drafted = speed_of(decision), performance(decision._replace(estimate=drafting))
    assert drafted.tpot_ms_range[1] == plain.tpot_ms_range[1]
    assert drafted.tpot_ms_range[0] == pytest.approx(plain.tpot_ms_range[0] / 1.85)
    assert drafted.decode_toks_per_s_range == pytest.approx(
        (plain.decode_toks_per_s_range[0], 1.85 * plain.decode_toks_per_s_range[1])
    )
    assert any("drafted" in line for line in drafted.assumptions)


def test_what_a_rank_carries_in_full() -> None:
    """Llama 3.1 8B: 32 layers of 4096, 32 heads over 8; one step reads all weights but the embedding."""
    decision = decided()
    weights = decision.estimate.weights
    assert load_of(decision.estimate, decision.facts.metadata) == Load(
        dense_bytes=weights.bytes - weights.parts["embedding"],
        expert_bytes=0,
        num_experts=0,
        experts_per_token=0,
        active_params=decision.facts.metadata.active_params,
        layers=32,
        attention_layers=32,
        moe_layers=0,
        hidden_size=4096,
        query_dim=32 * 128,
        kv_bytes_per_token=131072,
        kv_bytes_per_request=0,
        weight_bits=16,
        arithmetic="half",
        tp=1,
        pp=1,
    )
    spread = decided(gpus=4, hardware={"tensor_parallel_size": 2, "pipeline_parallel_size": 2})
    load = load_of(spread.estimate, spread.facts.metadata)
    assert (load.tp, load.pp) == (2, 2)
    assert load.active_params == decision.facts.metadata.active_params / 4
    mixture = decided("qwen3-30b-a3b")
    load = load_of(mixture.estimate, mixture.facts.metadata)
    assert (load.num_experts, load.experts_per_token, load.moe_layers) == (128, 8, 48)
    assert load.expert_bytes == mixture.estimate.weights.parts["experts"]
    whole = mixture.estimate.weights
    assert load.dense_bytes == whole.bytes - whole.parts["embedding"] - whole.parts["experts"]


@pytest.mark.parametrize(
    ("quantization", "bits", "arithmetic"),
    [("fp8_per_tensor", 8, "fp8"), ("mxfp8", 8, "half"), (None, 16, "half")],
)
def test_bits_are_read_off_the_bytes(quantization: str | None, bits: int, arithmetic: str) -> None:
    decision = decided(model={"quantization": quantization})
    load = load_of(decision.estimate, decision.facts.metadata)
    assert (load.weight_bits, load.arithmetic) == (bits, arithmetic)
    two = decided(gpus=2, model={"quantization": quantization}, hardware={"tensor_parallel_size": 2})
    assert load_of(two.estimate, two.facts.metadata).weight_bits == bits


def test_four_bits_of_a_checkpoint() -> None:
    metadata = load_model_metadata("Qwen/Qwen3-8B-AWQ")
    load = load_of(decide(request(), replace(facts(), metadata=metadata)).estimate, metadata)
    assert (load.weight_bits, load.arithmetic) == (4, "half")


def test_experts_without_a_part_of_their_own_are_a_share_of_all() -> None:
    decision = decided("qwen3-30b-a3b")
    weights, metadata = decision.estimate.weights, decision.facts.metadata
    bare = replace(weights, parts={"all": weights.bytes})
    load = load_of(replace(decision.estimate, weights=bare), metadata)
    assert load.expert_bytes == pytest.approx(weights.bytes * expert_share(metadata))
    assert load.dense_bytes == pytest.approx(weights.bytes * (1 - expert_share(metadata)))


@pytest.mark.parametrize(
    ("chosen", "experts", "active", "total", "share"),
    [
        # a token that takes one of two experts and skips 40 of 100 parameters leaves 80 to both
        (1, 2, 60, 100, 0.8),
        (1, 2, 40, 100, 1.0),
        (8, 64, 30, 100, 0.8),
        (2, 2, 100, 100, 0.0),
        (0, 8, 50, 100, 0.0),
        (1, 0, 50, 100, 0.0),
        (1, 4, 0, 0, 0.0),
    ],
)
def test_the_share_of_experts(chosen: int, experts: int, active: int, total: int, share: float) -> None:
    metadata = replace(
        model(LLAMA_8B), num_experts=experts, num_experts_per_tok=chosen, active_params=active, num_params=total
    )
    assert expert_share(metadata) == pytest.approx(share)


def test_a_run_has_the_plans_lengths_unless_it_states_its_own() -> None:
    own = {
        "measured_toks_per_s": 100, "measured_ttft_ms": 50, "measured_tpot_ms": 10, "measured_prompt_tokens": 7,
        "measured_gen_tokens": 8, "measured_concurrency": 9,
    }  # fmt: skip
    workload = {"prompt_tokens": 1, "gen_tokens": 2, "concurrency": 3}
    assert measured_of(request(workload=workload | own).workload) == Measured(7, 8, 9, 100, 50, 10)
    for name in ("measured_toks_per_s", "measured_ttft_ms", "measured_tpot_ms"):
        one = request(workload=workload | {name: own[name]}).workload
        found = measured_of(one)
        assert found is not None
        assert (found.prompt_tokens, found.gen_tokens, found.concurrency) == (1, 2, 3)
        assert getattr(found, name.removeprefix("measured_")) == own[name]


def test_each_goal_is_missed_for_itself_and_met_when_just_met() -> None:
    decision = decided(workload={"concurrency": 4})
    point = forecast(decision).at(4)
    for ttft, tpot, missed in (
        (point.ttft_ms, point.tpot_ms, ()),
        (0.99 * point.ttft_ms, None, ("ttft",)),
        (None, 0.99 * point.tpot_ms, ("tpot",)),
        (0.99 * point.ttft_ms, 0.99 * point.tpot_ms, ("ttft", "tpot")),
        (2 * point.ttft_ms, 0.5 * point.tpot_ms, ("tpot",)),
    ):
        asked = request(workload={"concurrency": 4, "target_ttft_ms": ttft, "target_tpot_ms": tpot})
        assert missed_goals(decision._replace(request=asked)) == missed


def test_speed_is_told_everything_it_depends_on() -> None:
    sections: dict[str, Any] = {
        "workload": {"target_ttft_ms": 300, "target_tpot_ms": 9, "concurrency": 5, "measured_tpot_ms": 8},
        "hardware": {"interconnect": "pcie", "tensor_parallel_size": 2, "data_parallel_size": 2},
        "policy": {"vllm_version": "0.10.0"},
    }
    decision = decided(gpus=4, **sections)
    result = decision.estimate
    assert speed_of(decision) == predict(
        load_of(result, decision.facts.metadata),
        result.gpu,
        traffic_of(decision.request, result),
        interconnect="pcie",
        vllm_version="0.10.0",
        target_ttft_ms=300,
        target_tpot_ms=9,
        measured=Measured(512, 256, 5, tpot_ms=8),
        drafted=0,
    )
    ahead = forecast(decision)
    assert ahead.at(5).tpot_ms == pytest.approx(8)
    assert ahead.traffic == traffic_of(decision.request, result)
    assert ahead.traffic.replicas == 2
    plain = forecast(decided(gpus=4, hardware=sections["hardware"], policy=sections["policy"]))
    link = Roofline(load_of(result, decision.facts.metadata), result.gpu, "pcie", "0.10.0")
    assert plain.at(5) == link.at(replace(plain.traffic, concurrency=5))


def test_no_room_is_no_traffic() -> None:
    decision = decided("llama-70b", gpus=1)
    assert decision.estimate.kv_available < 0
    assert traffic_of(decision.request, decision.estimate).kv_tokens == 0


@pytest.mark.parametrize(
    ("method", "arithmetic"),
    [
        ("fp8", "fp8"), ("FP8", "fp8"), ("modelopt", "fp8"), ("fbgemm_fp8", "fp8"), ("ptpc_fp8", "fp8"),
        ("quark", "fp8"), ("modelopt_fp4", "fp4"), ("nvfp4_per_token", "fp4"), ("mxfp4", "half"), ("awq", "half"),
    ],
)  # fmt: skip
def test_arithmetic_of_methods_asked_for(method: str, arithmetic: str) -> None:
    assert arithmetic_of(model(LLAMA_8B), method) == arithmetic


def test_attention_is_as_wide_as_its_two_products_on_average() -> None:
    only_some = replace(model(LLAMA_8B), text_config={"qk_nope_head_dim": 128, "v_head_dim": 128})
    load = load_of(decided().estimate, only_some)
    assert load.query_dim == 32 * 128, "latent only where all three are there"


def test_the_scheme_may_stand_at_either_place_of_a_config() -> None:
    scheme = {
        "quant_method": "compressed-tensors",
        "config_groups": {"g": {"input_activations": {"type": "float", "num_bits": 8}}},
    }
    for config in (
        LLAMA_8B | {"quantization_config": scheme},
        {"text_config": LLAMA_8B | {"quantization_config": scheme}},
    ):
        metadata = metadata_from_config({"model_type": "llama", **config}, model_id="m", source="config")
        assert arithmetic_of(metadata, "compressed-tensors") == "fp8"
    assert arithmetic_of(model(LLAMA_8B), "compressed-tensors") == "half"


def test_states_are_bytes_of_a_request_and_not_of_a_token() -> None:
    """mamba-2.8b keeps 64 states and nothing a token."""
    metadata = load_model_metadata("state-spaces/mamba-2.8b-hf")
    result = decide(request(), replace(facts(), metadata=metadata)).estimate
    load = load_of(result, metadata)
    assert load.kv_bytes_per_token == 0
    assert load.kv_bytes_per_request == result.layout.request_bytes(4096) == 64 * 5120 * (3 + 16) * 2
