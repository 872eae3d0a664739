"""Ranges, goals and the user's own measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

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
def test_no_workload_breaks_the_forecast(
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
    with pytest.raises(
        ValueError, match=r"^params_b, tp_size, context_len, prompt_tokens and num_gpus must be positive$"
    ):
        estimate_performance(**{"gpu_name": "H100 80GB", "params_b": 8.0, **wrong})


def test_an_unknown_gpu_is_refused() -> None:
    with pytest.raises(ValueError, match="H1000"):
        estimate_performance("H1000 80GB", 8.0)


BANDS = constants()["bands"]


def around(metric: str, median: float) -> Any:
    low, high = BANDS[metric]
    return pytest.approx((median * low, median * high))


def test_every_range_is_that_of_its_median() -> None:
    traffic = replace(CHAT, replicas=2, prompt_tokens=1000)
    estimate, ahead = predict(LLAMA_8B, h100(), traffic), forecast(traffic)
    now, alone = ahead.at(16), ahead.at(1, replicas=1)
    saturated = ahead.at(ahead.capacity)
    assert estimate.decode_toks_per_s_range == around("toks_per_s", now.decode_toks_per_s)
    assert estimate.single_stream_toks_per_s_range == around("toks_per_s", alone.decode_toks_per_s)
    assert estimate.saturated_toks_per_s_range == around("toks_per_s", saturated.decode_toks_per_s)
    # two replicas read prompts of 1000 tokens side by side
    seconds = Roofline(LLAMA_8B, h100()).prefill_s(1000)
    assert estimate.prefill_toks_per_s_range == around("prefill", 2 * 1000 / seconds)
    assert estimate.ttft_ms_range == around("ttft", now.ttft_ms)
    assert estimate.tpot_ms_range == around("tpot", now.tpot_ms)
    assert (estimate.concurrency_at_slo, estimate.limited_by) == (None, "bandwidth")


@pytest.mark.parametrize(
    ("changed", "capacity"),
    [
        ({"kv_tokens": 20_000}, 16),
        ({"kv_tokens": 20_000, "replicas": 3}, 50),
        ({"max_num_seqs": 8}, 8),
        ({"kv_tokens": 1}, 1),
        ({"max_num_seqs": 100_000, "kv_tokens": 1e12}, 4096),
    ],
)
def test_capacity_is_the_room_of_all_replicas(changed: dict[str, Any], capacity: int) -> None:
    """20,000 tokens hold 16.98 requests of 1024 + 0.6 x 256."""
    assert forecast(replace(CHAT, **changed)).capacity == capacity


def test_assumptions_are_stated() -> None:
    estimate = predict(LLAMA_8B, h100(), CHAT, assumptions=("one more",), drafted=2)
    assert estimate.assumptions == [
        "one more",
        "drafted tokens a step: 2; the ranges reach from none of them accepted to 85%, which depends on the text",
        "1024 prompt and 256 answer tokens, 16 in flight",
        "roofline set by published measurements; 80 % of points kept apart lie in the ranges; a slow host is not known",
    ]
    measured = predict(LLAMA_8B, h100(), CHAT, drafted=2, measured=Measured(1024, 256, 16, tpot_ms=10))
    assert measured.assumptions == [
        "1024 prompt and 256 answer tokens, 16 in flight",
        "roofline set by your own measured point; 80 % of points kept apart lie in the ranges; "
        "a slow host is not known",
    ]
    for card in (replace(h100(), bandwidth_gb_s=None), replace(h100(), tflops=())):
        assert predict(LLAMA_8B, card, CHAT).assumptions[-1] == (
            f"{card.name} is not in the catalogue: bandwidth and compute of a mid-range card are assumed"
        )


def test_drafts_reach_from_none_accepted_to_most() -> None:
    plain, drafting = predict(LLAMA_8B, h100(), CHAT), predict(LLAMA_8B, h100(), CHAT, drafted=2)
    gain = 1 + 0.85 * 2
    for name in ("decode", "single_stream", "saturated"):
        low, high = getattr(plain, f"{name}_toks_per_s_range")
        assert getattr(drafting, f"{name}_toks_per_s_range") == pytest.approx((low, high * gain))
    assert drafting.tpot_ms_range == pytest.approx((plain.tpot_ms_range[0] / gain, plain.tpot_ms_range[1]))
    assert drafting.prefill_toks_per_s_range == plain.prefill_toks_per_s_range
    # the user's own run has them in it
    run = Measured(1024, 256, 16, tpot_ms=10)
    assert predict(LLAMA_8B, h100(), CHAT, drafted=2, measured=run).tpot_ms_range == (
        predict(LLAMA_8B, h100(), CHAT, measured=run).tpot_ms_range
    )


@pytest.mark.parametrize(
    ("run", "rate", "ttft", "tpot"),
    [
        # twice as slow where measured; unmeasured figures follow from the time per token
        ({"tpot_ms": 2.0}, 0.5, 2.0, 2.0),
        ({"toks_per_s": 0.5}, 0.5, 2.0, 2.0),
        ({"ttft_ms": 2.0}, 1.0, 2.0, 1.0),
        ({"tpot_ms": 2.0, "ttft_ms": 3.0}, 0.5, 3.0, 2.0),
        ({"tpot_ms": 2.0, "toks_per_s": 0.25}, 0.25, 2.0, 2.0),
        ({"tpot_ms": 2.0, "toks_per_s": 0.25, "ttft_ms": 5.0}, 0.25, 5.0, 2.0),
    ],
)
def test_a_run_corrects_what_it_measured_and_what_follows(
    run: dict[str, float], rate: float, ttft: float, tpot: float
) -> None:
    there = forecast(replace(CHAT, prompt_tokens=200, gen_tokens=50, concurrency=4)).at(4)
    predicted = {"toks_per_s": there.decode_toks_per_s, "ttft_ms": there.ttft_ms, "tpot_ms": there.tpot_ms}
    measured = Measured(200, 50, 4, **{name: factor * predicted[name] for name, factor in run.items()})
    plain, corrected = forecast().at(16), Forecast(Roofline(LLAMA_8B, h100()), CHAT, measured).at(16)
    assert corrected.decode_toks_per_s == pytest.approx(rate * plain.decode_toks_per_s)
    assert corrected.ttft_ms == pytest.approx(ttft * plain.ttft_ms)
    assert corrected.tpot_ms == pytest.approx(tpot * plain.tpot_ms)
    assert corrected.queued == plain.queued
    assert Forecast(Roofline(LLAMA_8B, h100()), CHAT, measured).range_of("tpot", 1.0) == pytest.approx(
        tuple(constants()["measured_bands"]["tpot"])
    )


def test_a_run_has_no_prefix_longer_than_its_prompt() -> None:
    shared = replace(CHAT, shared_prefix_tokens=1000)
    there = Roofline(LLAMA_8B, h100()).at(replace(shared, prompt_tokens=100, shared_prefix_tokens=99, concurrency=16))
    run = Measured(100, 256, 16, ttft_ms=there.ttft_ms)
    plain = Forecast(Roofline(LLAMA_8B, h100()), shared)
    assert Forecast(Roofline(LLAMA_8B, h100()), shared, run).at(16) == plain.at(16)


def test_which_goal_is_broken() -> None:
    ahead = forecast()
    point = ahead.at(16)
    assert ahead.broken(16, None, None) is None
    assert ahead.broken(16, point.ttft_ms, point.tpot_ms) is None, "a goal that is just met is met"
    assert ahead.broken(16, 0.99 * point.ttft_ms, None) == "ttft"
    assert ahead.broken(16, None, 0.99 * point.tpot_ms) == "tpot"
    assert ahead.broken(16, 0.99 * point.ttft_ms, 0.99 * point.tpot_ms) == "tpot"


def test_goals_in_words() -> None:
    ahead = forecast()
    goal = ahead.at(20).tpot_ms
    some = predict(LLAMA_8B, h100(), CHAT, target_tpot_ms=goal)
    assert (some.concurrency_at_slo, some.limited_by) == (20, "tpot")
    assert some.assumptions[0] == "at 21 in flight the TPOT goal is missed"
    alone = ahead.at(1)
    none = predict(LLAMA_8B, h100(), CHAT, target_ttft_ms=1, target_tpot_ms=0.5)
    assert (none.concurrency_at_slo, none.limited_by) == (0, "tpot")
    assert none.assumptions[:2] == [
        f"a TTFT of 1 ms is out of reach: one request alone on this plan needs about {alone.ttft_ms:.0f} ms for 1024 "
        "prompt tokens",
        f"a TPOT of 0.5 ms is out of reach: one request alone on this plan needs about {alone.tpot_ms:.1f} ms a token, "
        "bound by bandwidth",
    ]
    one = predict(LLAMA_8B, h100(), CHAT, target_ttft_ms=1, target_tpot_ms=1000)
    assert "TTFT" in one.assumptions[0]
    assert "TPOT" not in one.assumptions[1]


def test_the_roof_of_a_step() -> None:
    """Llama 8B on an H100: reading 15 GB beside 2 x 7.5 G operations a token; compute dominates once there are enough
    users."""
    ahead = forecast(replace(CHAT, prompt_tokens=1, gen_tokens=1, max_num_seqs=4096))
    line = Roofline(LLAMA_8B, h100())
    first = next(n for n in range(1, 4096) if line.compute_s(n) > line.memory_s(n, 1.5))
    assert (ahead.roof(first - 1), ahead.roof(first)) == ("bandwidth", "compute")
    two = forecast(replace(CHAT, prompt_tokens=1, gen_tokens=1, max_num_seqs=4096, replicas=2))
    assert (two.roof(2 * first - 2), two.roof(2 * first)) == ("bandwidth", "compute")
    assert ahead.roof(0) == "bandwidth"
    # what one more request waits for, where no goal is set
    crowd = replace(CHAT, kv_tokens=20_000, concurrency=17)
    assert predict(LLAMA_8B, h100(), crowd).limited_by == "kv cache"
    assert predict(LLAMA_8B, h100(), replace(crowd, concurrency=16)).limited_by == "bandwidth"


def test_a_count_of_parameters_in_the_shape_of_a_llama() -> None:
    """8 B in 16 bits: 16 GB of weights, 32 layers of 4096 with 8 heads of 128, 256 requests at most."""
    load = replace(LLAMA_8B, dense_bytes=16e9, active_params=8e9, query_dim=4096, kv_bytes_per_token=4.0 * 32 * 8 * 128)
    traffic = Traffic(512, 3584, 1, 256, 256 * 4096.0)
    said = ("only the parameter count is known: a dense Llama-like shape is assumed",)
    assert estimate_performance("H100 80GB", 8.0) == predict(load, h100(), traffic, assumptions=said)
    halves = replace(
        load, dense_bytes=8e9, active_params=4e9, kv_bytes_per_token=2.0 * 32 * 8 * 128, tp=2, weight_bits=16
    )
    two = replace(traffic, prompt_tokens=100, gen_tokens=1, kv_tokens=25_600.0, replicas=4)
    assert estimate_performance(
        "H100 80GB", 8.0, tp_size=2, context_len=100, prompt_tokens=512, interconnect="nvlink", num_gpus=9
    ) == predict(halves, h100(), two, interconnect="nvlink", assumptions=said)
    eight = replace(load, dense_bytes=8e9, weight_bits=8)
    assert estimate_performance("H100 80GB", 8.0, quantization="fp8") == predict(
        eight, h100(), traffic, assumptions=said
    )
    four = replace(load, dense_bytes=8e9 * 66.5 / 128, weight_bits=4)
    assert estimate_performance("H100 80GB", 8.0, quantization="awq") == predict(
        four, h100(), traffic, assumptions=said
    )
    # fewer cards than a replica needs are one replica
    assert estimate_performance("H100 80GB", 8.0, tp_size=2, num_gpus=1) == estimate_performance(
        "H100 80GB", 8.0, tp_size=2, num_gpus=2
    )


def test_one_client_alone_has_a_replica_for_itself_and_other_traffic_its_own_replicas() -> None:
    traffic = replace(CHAT, replicas=4, concurrency=4)
    ahead = forecast(traffic)
    line = Roofline(LLAMA_8B, h100())
    assert ahead.at(4, replicas=1) == line.at(replace(traffic, replicas=1))
    assert ahead.at(4) == line.at(traffic)
    assert ahead.of(replace(traffic, replicas=2), 4) == line.at(replace(traffic, replicas=2))


def test_an_unstated_link_is_that_of_the_card() -> None:
    two = replace(LLAMA_8B, tp=2)
    assert predict(two, h100(), CHAT) == predict(two, h100(), CHAT, interconnect="nvlink")
    assert predict(two, h100(), CHAT) != predict(two, h100(), CHAT, interconnect="pcie")
    assert estimate_performance("H100 80GB", 8.0, tp_size=2, num_gpus=2) == estimate_performance(
        "H100 80GB", 8.0, tp_size=2, num_gpus=2, interconnect="nvlink"
    )


def test_a_tpot_that_one_request_just_keeps_is_in_reach() -> None:
    alone = forecast().at(1)
    told = predict(LLAMA_8B, h100(), CHAT, target_ttft_ms=1, target_tpot_ms=alone.tpot_ms).assumptions
    assert "TTFT of 1 ms is out of reach" in told[0]
    assert not any("TPOT" in line for line in told)
