"""Goals: layouts that keep them, and what is said of those that none keeps."""

from __future__ import annotations

import re

from tests.planning.conftest import facts, request
from wizard_tui.planning.decide import Decision, decide
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
    one_alone = forecast(decided().request, decided().facts.metadata, decided().estimate).at(1).ttft_ms
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
    alone = forecast(decided().request, decided().facts.metadata, decided().estimate).at(1).ttft_ms
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
