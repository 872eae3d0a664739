"""Ranges, goals and the user's own measurement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wizard_tui
from tests.planning.test_roofline import CHAT, LLAMA_8B, h100
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.perf import Forecast, Measured, estimate_performance, predict
from wizard_tui.planning.roofline import Load, Roofline, Traffic, constants
from wizard_tui.schemas.outputs import PerfEstimate


def forecast(traffic: Traffic = CHAT, load: Load = LLAMA_8B) -> Forecast:
    return Forecast(Roofline(load, h100()), traffic)


def middle(estimate: PerfEstimate, metric: str) -> float:
    low, high = getattr(estimate, f"{metric}_range")
    assert 0 < low < high
    key = "toks_per_s" if metric.endswith("toks_per_s") else metric.removesuffix("_ms")
    return float(low / constants()["bands"][key][0])


def test_no_figure_is_bare() -> None:
    estimate = predict(LLAMA_8B, h100(), CHAT)
    point = forecast().at(16)
    assert middle(estimate, "decode_toks_per_s") == pytest.approx(point.decode_toks_per_s)
    assert middle(estimate, "ttft_ms") == pytest.approx(point.ttft_ms)
    assert middle(estimate, "tpot_ms") == pytest.approx(point.tpot_ms)
    assert any("80 %" in line for line in estimate.assumptions)
    assert any("1024 prompt and 256 answer tokens, 16 in flight" in line for line in estimate.assumptions)


def test_an_unknown_card_is_named_as_a_guess() -> None:
    estimate = predict(LLAMA_8B, GPU(name="Prototype X", total_bytes=80 * 2**30), CHAT)
    assert any("Prototype X is not in the catalogue" in line for line in estimate.assumptions)


def test_one_user_gets_less_than_all_together() -> None:
    estimate = predict(LLAMA_8B, h100(), CHAT)
    alone, given_load, saturated = (
        middle(estimate, f"{name}_toks_per_s") for name in ("single_stream", "decode", "saturated")
    )
    assert alone < given_load < saturated


@given(
    st.integers(1, 1 << 30),
    st.integers(1, 1 << 30),
    st.integers(1, 1 << 20),
    st.floats(0, 1e9),
    st.integers(0, 16),
    st.sampled_from([None, 1e-6, 1e9]),
)
def test_no_workload_breaks_it(
    prompt: int, answer: int, clients: int, room: float, chosen: int, goal: float | None
) -> None:
    load = replace(LLAMA_8B, expert_bytes=1e9, num_experts=8, experts_per_token=chosen)
    traffic = Traffic(prompt, answer, clients, 256, room, shared_prefix_tokens=1 << 30)
    estimate = predict(load, h100(), traffic, target_ttft_ms=goal, target_tpot_ms=goal)
    for metric in ("decode_toks_per_s", "saturated_toks_per_s", "prefill_toks_per_s", "ttft_ms", "tpot_ms"):
        low, high = getattr(estimate, f"{metric}_range")
        assert 0 < low < high < float("inf")
    assert (estimate.concurrency_at_slo is None) == (goal is None)


@given(st.floats(5, 60), st.integers(1, 20_000), st.integers(8, 2000))
def test_the_largest_concurrency_keeps_the_goal_and_one_more_does_not(goal: float, prompt: int, answer: int) -> None:
    traffic = replace(CHAT, prompt_tokens=prompt, gen_tokens=answer)
    estimate = predict(LLAMA_8B, h100(), traffic, target_tpot_ms=goal)
    within, ahead = estimate.concurrency_at_slo, forecast(traffic)
    assert within is not None
    if within:
        assert ahead.at(within).tpot_ms <= goal
    if estimate.limited_by == "tpot":
        assert ahead.at(within + 1).tpot_ms > goal
    else:
        assert within == ahead.capacity


def test_the_tighter_goal_binds() -> None:
    slow_prompts = replace(CHAT, prompt_tokens=16_000)
    assert predict(LLAMA_8B, h100(), CHAT, target_ttft_ms=60_000, target_tpot_ms=9).limited_by == "tpot"
    assert predict(LLAMA_8B, h100(), slow_prompts, target_ttft_ms=1500, target_tpot_ms=5000).limited_by == "ttft"


def test_goals_that_hold_at_any_load_leave_the_cache_as_the_limit() -> None:
    small = replace(CHAT, kv_tokens=20_000)
    estimate = predict(LLAMA_8B, h100(), small, target_ttft_ms=60_000, target_tpot_ms=1000)
    assert estimate.concurrency_at_slo == int(small.room) == 16
    assert estimate.limited_by == "kv cache"
    few = replace(CHAT, max_num_seqs=8)
    assert predict(LLAMA_8B, h100(), few, target_tpot_ms=1000).limited_by == "max_num_seqs"


def test_without_goals_the_roof_is_named() -> None:
    assert predict(LLAMA_8B, h100(), replace(CHAT, concurrency=1)).limited_by == "bandwidth"
    crowd = replace(CHAT, prompt_tokens=16, gen_tokens=16, concurrency=2000, max_num_seqs=4096)
    assert predict(LLAMA_8B, h100(), crowd).limited_by == "compute"
    assert predict(LLAMA_8B, h100(), replace(CHAT, concurrency=5000, kv_tokens=5000)).limited_by == "kv cache"


def test_goals_out_of_reach_are_named_with_the_nearest_possible() -> None:
    long = replace(CHAT, prompt_tokens=100_000)
    estimate = predict(LLAMA_8B, h100(), long, target_ttft_ms=50, target_tpot_ms=1)
    assert estimate.concurrency_at_slo == 0
    alone = forecast(long).at(1)
    ttft, tpot = estimate.assumptions[:2]
    assert "TTFT of 50 ms is out of reach" in ttft
    assert f"{alone.ttft_ms:.0f} ms" in ttft
    assert "TPOT of 1 ms is out of reach" in tpot
    assert f"{alone.tpot_ms:.1f} ms" in tpot


def test_a_measured_point_is_met_and_narrows_the_range() -> None:
    now = forecast().at(16)
    measured = Measured(1024, 256, 16, toks_per_s=now.decode_toks_per_s / 2, ttft_ms=321.0, tpot_ms=2 * now.tpot_ms)
    corrected = Forecast(Roofline(LLAMA_8B, h100()), CHAT, measured).at(16)
    assert corrected.ttft_ms == pytest.approx(321)
    assert corrected.tpot_ms == pytest.approx(2 * now.tpot_ms)
    assert corrected.decode_toks_per_s == pytest.approx(now.decode_toks_per_s / 2)
    before = predict(LLAMA_8B, h100(), CHAT).tpot_ms_range
    after = predict(LLAMA_8B, h100(), CHAT, measured=measured)
    assert after.tpot_ms_range[1] / after.tpot_ms_range[0] < before[1] / before[0]
    assert any("your own measured point" in line for line in after.assumptions)


@pytest.mark.parametrize("known", ["toks_per_s", "tpot_ms"])
def test_a_point_measured_elsewhere_carries_over(known: str) -> None:
    there = forecast(replace(CHAT, prompt_tokens=200, gen_tokens=500)).at(4)
    slow = {"toks_per_s": there.decode_toks_per_s / 1.5, "tpot_ms": there.tpot_ms * 1.5}
    measured = Measured(200, 500, 4, **{known: slow[known]})
    here = Forecast(Roofline(LLAMA_8B, h100()), CHAT, measured).at(16)
    assert here.tpot_ms == pytest.approx(1.5 * forecast().at(16).tpot_ms)
    assert here.decode_toks_per_s == pytest.approx(forecast().at(16).decode_toks_per_s / 1.5)


def test_estimate_by_parameter_count() -> None:
    one = wizard_tui.estimate_performance("H100 80GB", 8.0)
    assert one.single_stream_toks_per_s_range == one.decode_toks_per_s_range
    quantised = estimate_performance("H100 80GB", 8.0, quantization="fp8")
    assert quantised.tpot_ms_range[0] < one.tpot_ms_range[0]
    large = estimate_performance("H100 80GB", 70.0, tp_size=2, num_gpus=8, interconnect="nvlink")
    assert large.tpot_ms_range[0] > one.tpot_ms_range[0]
    # four replicas of two GPUs
    assert middle(large, "saturated_toks_per_s") > 3 * middle(large, "single_stream_toks_per_s")
    assert any("parameter count" in line for line in one.assumptions)


@pytest.mark.parametrize(
    "wrong", [{"params_b": 0}, {"tp_size": 0}, {"context_len": 0}, {"num_gpus": 0}, {"prompt_tokens": -1}]
)
def test_sizes_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        estimate_performance(**{"gpu_name": "H100 80GB", "params_b": 8.0, **wrong})


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match="H1000"):
        estimate_performance("H1000 80GB", 8.0)
