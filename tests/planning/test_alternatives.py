"""Other ways to run a workload, and other boxes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.alternatives import Alternative, alternatives, boxes_that_do
from wizard_tui.planning.decide import decide
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched

CARDS = [get_gpu_by_name(name) for name in ("H200", "RTX 4090", "H100 80GB", "T4", "B200", "L40S", "RTX 3060")]


def titled(ways: list[Alternative]) -> dict[str, Alternative]:
    return {way.title: way for way in ways}


def test_each_way_is_what_planning_its_patch_gives() -> None:
    asked, known = request(workload={"concurrency": 8, "target_tpot_ms": 20}), facts(gpu="RTX 4090", gpus=2)
    ways = alternatives(asked, known)
    assert len(ways) >= 12
    for way in ways:
        decision = decide(patched(asked, way.patch), known)
        assert decision.fits == way.fits
        assert decision.estimate.settings.max_model_len == way.max_model_len
        assert decision.estimate.settings.layout.gpus == way.gpus
        assert {"TPOT"} == set(way.goals) | set(way.misses)


def test_what_fits_and_keeps_the_goals_comes_first() -> None:
    ways = alternatives(request(workload={"concurrency": 8, "target_tpot_ms": 20}), facts(gpu="RTX 4090", gpus=4))
    keys = [(not way.fits, len(way.misses)) for way in ways]
    assert keys == sorted(keys)


@pytest.mark.parametrize("gpu", ["T4", "A100-SXM4-80GB", "H100 80GB"])
def test_no_fp8_cache_where_the_gpu_has_none(gpu: str) -> None:
    has_fp8 = gpu.startswith("H100")
    ways = alternatives(request(), facts(gpu=gpu))
    assert any(way.patch["model"]["kv_cache_dtype"] == "fp8" for way in ways) == has_fp8


def test_the_smallest_boxes_come_first_and_all_of_them_do() -> None:
    asked, known = request("llama-70b"), facts("llama-70b")
    boxes = boxes_that_do(asked, known, CARDS)
    sizes = [gpu.total_bytes * count for gpu, count, _ in boxes]
    assert sizes == sorted(sizes)
    assert all(decision.fits for _, _, decision in boxes)
    # 131 GiB of weights: https://huggingface.co/meta-llama/Llama-3.1-70B
    (count,) = (count for gpu, count, _ in boxes if gpu.name == "NVIDIA H100 80GB HBM3")
    assert 2 <= count <= 4


def test_boxes_are_the_fewest_cards_that_do_safely() -> None:
    """131 GiB of weights: of H200 (139 GiB) the budget is 128, so two; T4 and RTX 3060 never do."""
    asked, known = request("llama-70b"), facts("llama-70b")
    found = [(gpu.name, count) for gpu, count, _ in boxes_that_do(asked, known, CARDS)]
    assert found == [
        ("NVIDIA H100 80GB HBM3", 2), ("NVIDIA L40S", 4), ("NVIDIA B200", 1), ("NVIDIA GeForce RTX 4090", 8),
        ("NVIDIA H200", 2),
    ]  # fmt: skip
    pinned = patched(asked, {"hardware": {"tensor_parallel_size": 1, "pipeline_parallel_size": 1}})
    assert [(gpu.name, count) for gpu, count, _ in boxes_that_do(pinned, known, CARDS)] == found
    for _, count, decision in boxes_that_do(asked, known, CARDS):
        assert decision.fits
        assert not decision.estimate.tight
        assert len(decision.facts.gpus) == count


def test_all_ways_of_two_cards() -> None:
    """TP 1 or 2, weights in 16 or 8 bits, cache in 16 or 8, and three lengths."""
    ways = titled(alternatives(request(), facts(gpus=2)))
    assert len(ways) == 2 * 2 * 2 * 3
    assert set(ways) == {
        ", ".join(part for part in (layout, weights, cache, length) if part)
        for layout in ("TP 1, x 2 replicas", "TP 2")
        for weights in ("", "fp8 weights")
        for cache in ("", "fp8 KV")
        for length in ("131,072 tokens", "32,768 tokens", "8,192 tokens")
    }
    assert ways["TP 1, x 2 replicas, fp8 weights, fp8 KV, 8,192 tokens"].patch == {
        "model": {"quantization": "fp8_per_tensor", "kv_cache_dtype": "fp8", "max_model_len": 8192},
        "hardware": {"tensor_parallel_size": 1, "pipeline_parallel_size": None, "data_parallel_size": 2},
    }
    assert ways["TP 2, 32,768 tokens"].patch == {
        "model": {"quantization": None, "kv_cache_dtype": "auto", "max_model_len": 32768},
        "hardware": {"tensor_parallel_size": 2, "pipeline_parallel_size": None, "data_parallel_size": None},
    }


@pytest.mark.parametrize(
    ("model", "workload", "lengths"),
    [
        ({"max_model_len": 20000}, {}, {20000, 8192}),
        ({"max_model_len": 4096}, {}, {4096}),
        ({}, {"prompt_tokens": 10_000, "gen_tokens": 1000}, {131072, 32768, 11_000}),
        ({}, {"prompt_tokens": 200_000, "gen_tokens": 1}, {131072}),
    ],
)
def test_lengths_hold_the_requested_workload(
    model: dict[str, int], workload: dict[str, int], lengths: set[int]
) -> None:
    ways = alternatives(request(model=model, workload=workload), facts())
    assert {way.max_model_len for way in ways} == lengths


@pytest.mark.parametrize(
    ("gpu", "model", "marks"),
    [
        ("H100 80GB", {}, {"fp8 weights", "fp8 KV"}),
        ("A100-SXM4-80GB", {}, {"fp8 weights"}),
        ("MI300X", {}, {"fp8 weights", "fp8 KV"}),
        ("V100-SXM2-32GB", {"dtype": "float16"}, set()),
        ("H100 80GB", {"quantization": "mxfp8"}, {"fp8 KV"}),
        ("H100 80GB", {"kv_cache_dtype": "bfloat16"}, {"fp8 weights"}),
    ],
)
def test_choices_that_the_gpu_and_the_user_leave_open(gpu: str, model: dict[str, str], marks: set[str]) -> None:
    ways = alternatives(request(model=model), facts(gpu=gpu))
    assert {mark for way in ways for mark in ("fp8 weights", "fp8 KV") if mark in way.title} == marks


def test_an_unknown_card_is_given_no_eight_bits() -> None:
    box = facts()
    unknown = replace(box, gpus=(GPU(name="manual GPU", total_bytes=80 << 30, source="manual"),))
    assert not any("fp8" in way.title for way in alternatives(request(), unknown))


def test_figures_are_those_of_the_plan() -> None:
    asked = request(workload={"concurrency": 8, "prompt_tokens": 1000, "gen_tokens": 200, "target_tpot_ms": 10_000})
    for way in alternatives(asked, facts(gpus=2)):
        response = plan(patched(asked, way.patch), facts(gpus=2))
        result = decide(patched(asked, way.patch), facts(gpus=2)).estimate
        assert way.weights_gib == response.feasibility.weights_gib
        assert way.tight == result.tight
        assert way.toks_per_s == response.performance.decode_toks_per_s_range
        assert way.tpot_ms == response.performance.tpot_ms_range
        one = result.layout.request_bytes(min(1200, way.max_model_len))
        assert way.concurrency == (result.kv_available // one * result.settings.layout.dp if result.starts else 0)
        assert (way.goals, way.misses) == (("TPOT",), ())


def test_a_goal_is_kept_by_the_slow_end_of_the_range() -> None:
    asked = request(workload={"target_tpot_ms": 5, "target_ttft_ms": 5})
    for way in alternatives(asked, facts(gpus=2)):
        speed = plan(patched(asked, way.patch), facts(gpus=2)).performance
        for name, (_, worst) in (("TTFT", speed.ttft_ms_range), ("TPOT", speed.tpot_ms_range)):
            assert (name in way.goals) == (worst <= 5)
            assert (name in way.misses) == (worst > 5)
    assert all(way.goals == way.misses == () for way in alternatives(request(), facts()))


def test_best_first() -> None:
    """What fits, keeps the goals, safely, in full precision, with the longest context, and then the fastest."""
    ways = alternatives(request(workload={"target_tpot_ms": 12}), facts(gpu="RTX 4090", gpus=4))
    lossy = {way.title: ("fp8 weights" in way.title) + ("fp8 KV" in way.title) for way in ways}
    keys = [
        (not way.fits, len(way.misses), way.tight, lossy[way.title], -way.max_model_len, -way.toks_per_s[1])
        for way in ways
    ]
    assert keys == sorted(keys)
    assert len({key[:5] for key in keys}) > 6, "the ways differ enough for an order"
