"""The sentences about a plan, word for word: the user reads them first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.observed import Observation
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.verdict import verdict, warnings
from wizard_tui.resolver import Facts
from wizard_tui.schemas.numbers import GIB, gib


def decided(box: Facts | None = None, name: str = "llama-8b", **sections: dict[str, Any]) -> Decision:
    return decide(request(name, **sections), box or facts(name))


def said(decision: Decision) -> list[str]:
    return warnings(decision)


def test_it_fits() -> None:
    decision = decided(model={"max_model_len": 8192})
    cache, spare = decision.estimate.cache, gib(decision.estimate.headroom)
    assert verdict(decision) == (
        f"Fits: {cache.tokens:,} tokens of KV cache, {cache.max_concurrency:.2f}x 8,192 tokens, {spare:.2f} GiB spare."
    )
    assert said(decision) == []


def test_it_is_tight() -> None:
    estimate = replace(decided(model={"max_model_len": 8192}).estimate, kv_low=GIB // 2, kv_high=60 * GIB)
    cache = estimate.cache
    assert verdict(decided()._replace(estimate=estimate)) == (
        f"Tight: {cache.tokens:,} tokens of KV cache, {cache.max_concurrency:.2f}x 8,192 tokens; "
        "the error band of 0.50 to 60.00 GiB reaches below what is needed."
    )


def test_it_starts_and_queues() -> None:
    decision = decided(model={"max_model_len": 8192}, workload={"concurrency": 2000})
    cache, short = decision.estimate.cache, -gib(decision.estimate.headroom)
    assert short > 0
    assert verdict(decision) == (
        f"Starts, but 2000 requests at once need {short:.2f} GiB more KV cache than there is "
        f"({cache.tokens:,} tokens of KV cache, {cache.max_concurrency:.2f}x 8,192 tokens); the rest would queue."
    )


def test_it_leaves_less_memory_than_was_asked_for() -> None:
    decision = decided(policy={"headroom_gb": 60})
    spare = gib(decision.estimate.headroom)
    assert verdict(decision) == f"Starts, but leaves {spare:.2f} GiB spare, less than headroom_gb asks for."
    none = decision._replace(estimate=replace(decision.estimate, kv_needed=decision.estimate.kv_available))
    assert verdict(none) == "Starts, but leaves 0.00 GiB spare, less than headroom_gb asks for."


def test_it_cannot_start() -> None:
    decision = decided(hardware={"tensor_parallel_size": 8})
    assert verdict(decision) == "Cannot start: TP 8 needs 8 GPUs and there are 1."


def test_it_does_not_start() -> None:
    decision = decided(name="llama-70b")
    assert decision.estimate.failure is not None
    assert verdict(decision) == f"Does not start: {decision.estimate.failure.sentence}."


def test_others_on_the_gpu_are_named() -> None:
    box = facts()
    busy = replace(
        box, gpus=tuple(replace(box.gpus[0], used_bytes=10 * GIB, holders=("python 42", "Xorg")) for gpu in box.gpus)
    )
    assert "other processes hold 10.0 GiB of a GPU (python 42, Xorg)" in said(decided(busy))
    unknown = replace(box, gpus=(replace(box.gpus[0], used_bytes=10 * GIB),))
    assert "other processes hold 10.0 GiB of a GPU" in said(decided(unknown))


def test_unequal_gpus_are_planned_by_the_smallest() -> None:
    (large,), (small,) = facts().gpus, facts(gpu="A100-SXM4-40GB").gpus
    mixed = replace(facts(), gpus=(large, small))
    assert f"the GPUs differ; the plan is made for the smallest, {small.name}" in said(decided(mixed))
    halves = replace(facts(), gpus=(large, replace(large, total_bytes=large.total_bytes // 2)))
    assert f"the GPUs differ; the plan is made for the smallest, {large.name}" in said(decided(halves))
    twin = replace(large, name="a twin")
    assert any("the GPUs differ" in line for line in said(decided(replace(facts(), gpus=(large, twin)))))
    assert not any("differ" in line for line in said(decided(facts(gpus=2))))


def test_idle_gpus_are_named_with_the_layout() -> None:
    assert "3 of the GPUs stay idle with TP 1" in said(decided(facts(gpus=4)))
    assert "1 of the GPUs stays idle with TP 1" in said(decided(facts(gpus=2)))


@pytest.mark.parametrize(("starts", "words"), [(1, "1 start seen"), (2, "2 starts seen")])
def test_a_correction_by_this_machine_is_disclosed(starts: int, words: str) -> None:
    box = facts()
    version = decided().rules.version
    rows = tuple(
        Observation(box.gpus[0].name, version, "test/llama-8b", "TP 1", GIB, f"2026-01-0{day + 1}")
        for day in range(starts)
    )
    (line,) = said(decided(replace(box, observed=rows)))
    assert line == (f"corrected by +1.00 GiB after {words} here; `vllm-wizard-tui calibration clear` removes it")


@pytest.mark.parametrize(
    ("workload", "policy", "line"),
    [
        (
            {"prompt_tokens": 8000, "gen_tokens": 1000},
            {},
            "prompt and answer take 9,000 tokens, more than max_model_len holds",
        ),
        (
            {"concurrency": 40},
            {"max_num_seqs": 32},
            "concurrency 40 is above max_num_seqs 32: the rest queues",
        ),
        ({}, {"host": "0.0.0.0"}, "the server listens on 0.0.0.0 without an API key; set api_key_env"),
    ],
)
def test_warnings_for_what_would_surprise(workload: dict[str, Any], policy: dict[str, Any], line: str) -> None:
    assert said(decided(model={"max_model_len": 8192}, workload=workload, policy=policy)) == [line]


@pytest.mark.parametrize(
    ("workload", "policy", "hardware"),
    [
        ({"prompt_tokens": 8000, "gen_tokens": 192}, {}, {}),
        ({"concurrency": 32}, {"max_num_seqs": 32}, {}),
        ({"concurrency": 64}, {"max_num_seqs": 32}, {"data_parallel_size": 2, "tensor_parallel_size": 1}),
        ({}, {"host": "localhost"}, {}),
        ({}, {"host": "::1"}, {}),
        ({}, {"host": "0.0.0.0", "api_key_env": "MY_KEY"}, {}),
    ],
)
def test_no_warning_where_nothing_would_surprise(
    workload: dict[str, Any], policy: dict[str, Any], hardware: dict[str, Any]
) -> None:
    box = facts(gpus=2 if hardware else 1)
    assert said(decided(box, model={"max_model_len": 8192}, workload=workload, policy=policy, hardware=hardware)) == []


def test_warnings_of_the_model_and_of_its_weights_come_first() -> None:
    from wizard_tui.models.from_config import metadata_from_config

    strange = metadata_from_config(
        {**facts().metadata.config, "architectures": ["StrangeForCausalLM"], "model_type": "strange"},
        model_id="test/strange",
        source="config",
        warnings=("read from a fork",),
    )
    first, second, *rest = said(decided(replace(facts(), metadata=strange), policy={"vllm_version": "9.9.9"}))
    assert first == "read from a fork"
    assert second.startswith("StrangeForCausalLM is not known here")
    assert any("9.9.9" in line for line in rest)
