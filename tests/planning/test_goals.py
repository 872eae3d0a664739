"""Goals: layouts that keep them, and the sentences for goals that none keeps."""

from __future__ import annotations

import re

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.goals import missed_goal_sentences
from wizard_tui.planning.planner import plan
from wizard_tui.planning.speed import forecast
from wizard_tui.planning.suggest import patched


def decided(gpus: int = 4, **workload: float) -> Decision:
    asked = request(
        workload={"prompt_tokens": 4000, "gen_tokens": 200, **workload}, hardware={"interconnect": "nvlink"}
    )
    return decide(asked, facts(gpu="A100-SXM4-80GB", gpus=gpus))


def test_more_gpus_are_taken_only_to_keep_a_goal() -> None:
    assert decided().estimate.settings.layout.tp == 1
    one_alone = forecast(decided()).at(1).ttft_ms
    kept = decided(target_ttft_ms=one_alone * 0.7)
    assert kept.estimate.settings.layout.tp > 1
    assert kept.missed == ()


def test_an_impossible_goal_is_named_with_the_nearest_possible() -> None:
    decision = decided(target_ttft_ms=0.5)
    (sentence,) = missed_goal_sentences(decision)
    assert "out of reach" in sentence
    assert "with TP 4" in sentence
    nearest = float(re.search(r"the nearest these GPUs give is ([\d,]+) ms", sentence)[1].replace(",", ""))  # type: ignore[index]
    reached = decided(target_ttft_ms=1.02 * nearest + 1)
    assert reached.missed == ()
    assert sentence in plan(decision.request, decision.facts).feasibility.warnings


def test_a_shorter_prompt_that_would_do_is_named() -> None:
    alone = forecast(decided()).at(1).ttft_ms
    decision = decided(gpus=1, target_ttft_ms=alone / 2)
    (sentence,) = missed_goal_sentences(decision)
    length = int(re.search(r"at most ([\d,]+) prompt", sentence)[1].replace(",", ""))  # type: ignore[index]
    assert 1000 < length < 4000
    assert decided(gpus=1, target_ttft_ms=alone / 2, prompt_tokens=length).missed == ()
    assert decided(gpus=1, target_ttft_ms=alone / 2, prompt_tokens=length + 1).missed == ("ttft",)


def test_a_crowd_that_misses_a_goal_is_told_how_many_keep_it() -> None:
    decision = decided(gpus=1, concurrency=64, target_tpot_ms=20)
    (sentence,) = missed_goal_sentences(decision)
    within = int(re.search(r"holds up to (\d+) in flight", sentence)[1])  # type: ignore[index]
    assert 0 < within < 64
    offered = next(
        one
        for one in plan(decision.request, decision.facts).feasibility.suggestions
        if one.patch == {"workload": {"concurrency": within}}
    )
    assert "keeps the TPOT goal" in offered.title
    assert decide(patched(decision.request, offered.patch), decision.facts).missed == ()


def test_nothing_is_said_without_goals() -> None:
    assert missed_goal_sentences(decided()) == []


def test_a_crowd_is_told_what_holds_and_what_does_not() -> None:
    decision = decided(gpus=1, concurrency=64, target_tpot_ms=20, target_ttft_ms=100_000)
    speed = forecast(decision)
    within, there = speed.largest_concurrency(None, 20), speed.at(64).tpot_ms
    assert missed_goal_sentences(decision) == [
        f"the TPOT goal of 20 ms holds up to {within} in flight; at 64 it is about {there:,.0f} ms"
    ]
    slow = decided(gpus=1, concurrency=64, target_ttft_ms=2500)
    speed = forecast(slow)
    within, there = speed.largest_concurrency(2500, None), speed.at(64).ttft_ms
    assert missed_goal_sentences(slow) == [
        f"the TTFT goal of 2500 ms holds up to {within} in flight; at 64 it is about {there:,.0f} ms"
    ]


def test_goals_out_of_reach_are_worded_in_full() -> None:
    decision = decided(gpus=2, target_ttft_ms=0.5, target_tpot_ms=0.5)
    alone = forecast(decision).at(1)
    ttft, tpot = missed_goal_sentences(decision)
    layouts_of_two = [
        decide(patched(decision.request, {"hardware": {"tensor_parallel_size": tp}}), decision.facts) for tp in (1, 2)
    ]
    least = [forecast(d).at(1) for d in layouts_of_two]
    assert ttft == (
        f"a TTFT of 0.5 ms is out of reach: one request alone needs about {alone.ttft_ms:,.0f} ms, as prefill is bound "
        f"by compute; the nearest these GPUs give is {min(p.ttft_ms for p in least):,.0f} ms with TP 2"
    )
    assert tpot == (
        f"a TPOT of 0.5 ms is out of reach: one request alone needs about {alone.tpot_ms:,.0f} ms, as a step is bound "
        f"by bandwidth; the nearest these GPUs give is {min(p.tpot_ms for p in least):,.0f} ms with TP 2"
    )


def test_a_pinned_layout_is_still_told_of_a_faster_one() -> None:
    asked = patched(
        decided(target_ttft_ms=0.5).request, {"hardware": {"tensor_parallel_size": 1, "pipeline_parallel_size": 1}}
    )
    (sentence,) = missed_goal_sentences(decide(asked, facts(gpu="A100-SXM4-80GB", gpus=4)))
    assert sentence.endswith("with TP 4")


def test_a_server_that_does_not_start_has_no_speed_to_speak_of() -> None:
    asked = request("llama-70b", workload={"target_ttft_ms": 0.5})
    decision = decide(asked, facts("llama-70b", "RTX 4090"))
    assert not decision.estimate.starts
    assert missed_goal_sentences(decision) == []


def test_a_goal_that_one_request_just_meets_is_in_reach() -> None:
    alone = forecast(decided(gpus=1)).at(1)
    crowd = decided(gpus=1, concurrency=8, target_ttft_ms=alone.ttft_ms)
    (sentence,) = missed_goal_sentences(crowd)
    assert "holds up to 1 in flight" in sentence


def test_a_pinned_number_of_stages_is_freed_as_well() -> None:
    hardware = {"tensor_parallel_size": 1, "pipeline_parallel_size": 4, "interconnect": "nvlink"}
    asked = request(workload={"prompt_tokens": 4000, "gen_tokens": 200, "target_tpot_ms": 0.5}, hardware=hardware)
    (sentence,) = missed_goal_sentences(decide(asked, facts(gpu="A100-SXM4-80GB", gpus=4)))
    assert sentence.endswith("with TP 4")


def test_a_shared_prefix_is_cut_to_the_shorter_prompt() -> None:
    """Of 4000 tokens 3500 are shared: a prompt that is in time may be shorter than the prefix itself."""
    box = facts(gpu="A100-SXM4-80GB")
    length = {"prompt_tokens": 4000, "gen_tokens": 200, "shared_prefix_tokens": 3500}
    whole = decide(request(workload=length), box)
    alone = forecast(whole).at(1).ttft_ms
    asked = request(workload=length | {"target_ttft_ms": alone - 1})
    (sentence,) = missed_goal_sentences(decide(asked, box))
    longest = int(re.search(r"at most ([\d,]+) prompt", sentence)[1].replace(",", ""))  # type: ignore[index]
    for tokens, missed in ((longest, ()), (longest + 1, ("ttft",))):
        shared = min(3500, tokens - 1)
        shorter = {"prompt_tokens": tokens, "shared_prefix_tokens": shared, "target_ttft_ms": alone - 1}
        assert decide(request(workload=length | shorter), box).missed == missed


def test_a_plan_that_cannot_be_run_promises_no_speed() -> None:
    """Nor is the nearest speed looked for among layouts of which none starts."""
    asked = request(
        "llama-70b",
        workload={"prompt_tokens": 4000, "gen_tokens": 200, "target_tpot_ms": 0.5},
        hardware={"tensor_parallel_size": 64},
    )
    decision = decide(asked, facts("llama-70b", "RTX 4090", gpus=1))
    assert decision.problem
    assert decision.estimate.starts, "each of the 64 parts would fit"
    assert missed_goal_sentences(decision) == []
    assert plan(asked, decision.facts).feasibility.verdict


def test_stages_over_several_machines_are_among_the_nearest() -> None:
    """The planner would not choose tensor parallel over two machines, but it was asked for."""
    asked = request(
        "llama-70b",
        workload={"prompt_tokens": 4000, "gen_tokens": 200, "target_tpot_ms": 0.5},
        hardware={"tensor_parallel_size": 8, "nodes": 8},
    )
    decision = decide(asked, facts("llama-70b", "RTX 4090", gpus=1))
    assert decision.problem is None
    (sentence,) = missed_goal_sentences(decision)
    assert "TP 8" in sentence or "PP" in sentence


def test_without_streaming_the_first_word_comes_with_the_last() -> None:
    """By hand: to the time of the first of 200 tokens, 199 times that of a further one; the ranges likewise."""
    streamed, whole = decided(gpus=1), decided(gpus=1, streaming=False)
    points = [forecast(one).at(1) for one in (streamed, whole)]
    assert points[1].ttft_ms == pytest.approx(points[0].ttft_ms + 199 * points[0].tpot_ms)
    assert points[1]._replace(ttft_ms=0) == points[0]._replace(ttft_ms=0)
    before, after = (plan(one.request, one.facts).performance for one in (streamed, whole))
    for end in (0, 1):
        expected = before.ttft_ms_range[end] + 199 * before.tpot_ms_range[end]
        assert after.ttft_ms_range[end] == pytest.approx(expected)
    assert after.tpot_ms_range == before.tpot_ms_range
    assert any("the whole answer" in line for line in after.assumptions)
    assert not any("the whole answer" in line for line in before.assumptions)


def test_a_goal_for_the_first_word_is_held_against_the_whole_answer_without_streaming() -> None:
    alone = forecast(decided()).at(1).ttft_ms
    assert decided(gpus=1, target_ttft_ms=2 * alone).missed == ()
    decision = decided(gpus=1, target_ttft_ms=2 * alone, streaming=False)
    assert decision.missed == ("ttft",)
    (sentence,) = missed_goal_sentences(decision)
    assert "as the answer comes as a whole" in sentence


def test_a_measured_run_streams_whatever_the_users_see() -> None:
    """Its TTFT corrects that of the server, not that of a whole answer."""
    measured = {"measured_ttft_ms": 500.0, "measured_tpot_ms": 10.0}
    decision = decided(gpus=1, streaming=False, **measured)
    point = forecast(decision).at(1)
    assert (point.ttft_ms, point.tpot_ms) == pytest.approx((500 + 199 * 10, 10))
