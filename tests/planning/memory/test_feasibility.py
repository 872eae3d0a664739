"""The verdict from parts, and the two questions turned round."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planning.memory.test_by_count import LLAMA_8B
from wizard_tui.planning.memory.feasibility import (
    compute_feasibility,
    compute_max_concurrency_at_context,
    compute_max_context_at_concurrency,
    oom_risk,
)
from wizard_tui.schemas.numbers import GIB


def test_the_parts_add_up() -> None:
    report = compute_feasibility(15 * GIB, 4 * GIB, 2 * GIB, 80 * GIB, 0.9, metadata=LLAMA_8B, context_len=8192)
    assert report.fits
    assert report.oom_risk == "low"
    assert report.vram_target_alloc_gib == pytest.approx(72)
    assert report.headroom_gib == pytest.approx(72 - 15 - 4 - 2)
    assert report.max_concurrency_at_context == 55
    assert report.verdict == "Fits, with 51.00 GiB to spare."
    sizes = (report.vram_total_gib, report.weights_gib, report.kv_cache_gib, report.overhead_gib)
    assert sizes == (80, 15, 4, 2)
    assert report.max_context_at_concurrency == 131072
    assert report.warnings == []


def test_a_deficit_is_shown_and_not_clipped() -> None:
    report = compute_feasibility(131 * GIB, 1 * GIB, 2 * GIB, 24 * GIB, 0.9)
    assert not report.fits
    assert report.oom_risk == "high"
    assert report.headroom_gib == pytest.approx(21.6 - 134)
    assert report.verdict == "Does not fit: weights and overhead alone exceed the budget by 111.40 GiB."


def test_too_large_a_workload_and_too_large_weights_are_told_apart() -> None:
    report = compute_feasibility(15 * GIB, 8 * GIB, 1 * GIB, 24 * GIB, 0.9)
    assert report.verdict == "Does not fit: the KV cache this workload needs is 2.40 GiB too large."
    assert report.oom_risk == "high"


def test_requested_spare_memory_counts() -> None:
    report = compute_feasibility(15 * GIB, 1 * GIB, 1 * GIB, 20 * GIB, 0.9, headroom_gb=2)
    assert not report.fits
    assert report.verdict == "Does not fit: 1.00 GiB stay spare, 2 GiB were asked for."
    assert compute_feasibility(15 * GIB, 1 * GIB, 1 * GIB, 20 * GIB, 0.9, headroom_gb=1).fits


def test_a_cache_above_half_of_the_budget_is_worth_a_warning() -> None:
    (line,) = compute_feasibility(0, 6 * GIB, 0, 10 * GIB, 1.0).warnings
    assert line == "the KV cache takes 60% of the budget; fp8 would halve it"
    assert not compute_feasibility(0, 5 * GIB, 0, 10 * GIB, 1.0).warnings


def test_the_budget_is_rounded_up_as_vllm_does() -> None:
    """v1/worker/utils.py:request_memory takes math.ceil of total x utilisation: 0.9 of 11 bytes are 10."""
    assert compute_feasibility(0, 10, 0, 11, 0.9).fits
    assert not compute_feasibility(0, 11, 0, 11, 0.9).fits


@pytest.mark.parametrize(
    ("expected", "pessimistic", "risk"),
    [(1, 1, "low"), (1, 0, "low"), (0, 0, "low"), (1, -1, "medium"), (0, -1, "medium"), (-1, -2, "high")],
)
def test_risk_follows_the_band(expected: int, pessimistic: int, risk: str) -> None:
    assert oom_risk(expected, pessimistic) == risk


def test_without_a_band_the_error_is_three_quarters_of_a_gib() -> None:
    assert compute_feasibility(0, 0, 0, int(0.76 * GIB), 1.0).oom_risk == "low"
    assert compute_feasibility(0, 0, 0, int(0.74 * GIB), 1.0).oom_risk == "medium"


def test_omitted_settings_are_vllms_defaults() -> None:
    """Utilisation 0.92, one request of 4096 tokens, the cache in the model's own type."""
    sizes = (15 * GIB, 4 * GIB, 2 * GIB, 80 * GIB)
    assert compute_feasibility(*sizes, metadata=LLAMA_8B) == compute_feasibility(
        *sizes,
        gpu_memory_utilization=0.92,
        headroom_gb=0.0,
        context_len=4096,
        concurrency=1,
        metadata=LLAMA_8B,
        kv_dtype="bfloat16",
        dtype="bfloat16",
        fragmentation_factor=1.0,
    )
    without = compute_feasibility(*sizes)
    assert (without.max_concurrency_at_context, without.max_context_at_concurrency) == (0, 0)


def test_the_questions_are_about_the_same_cache() -> None:
    """128 KiB a token of Llama 3.1 8B, 64 in 8 bits, 256 in 32."""
    rest = {"allocatable_bytes": 20 * GIB, "weights_bytes": 3 * GIB, "overhead_bytes": 1 * GIB, "metadata": LLAMA_8B}
    for changed, at_once, longest in (
        ({}, 32, 32768),
        ({"kv_dtype": "fp8"}, 64, 65536),
        ({"dtype": "float32"}, 16, 16384),
        ({"kv_dtype": "bfloat16", "dtype": "float32"}, 32, 32768),
        ({"fragmentation_factor": 2.0}, 16, 16384),
    ):
        assert compute_max_concurrency_at_context(**rest, context_len=4096, **changed) == at_once
        assert compute_max_context_at_concurrency(**rest, concurrency=4, **changed) == longest
        report = compute_feasibility(
            3 * GIB, 0, 1 * GIB, 20 * GIB, 1.0, metadata=LLAMA_8B, context_len=4096, concurrency=4, **changed
        )
        assert (report.max_concurrency_at_context, report.max_context_at_concurrency) == (at_once, longest)
    # never beyond what the model knows
    assert compute_max_context_at_concurrency(**rest, concurrency=1) == 131072
    assert compute_max_concurrency_at_context(**rest, context_len=0) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((-1, 0, 0, GIB), "^memory sizes must not be negative$"),
        ((0, -1, 0, GIB), "^memory sizes must not be negative$"),
        ((0, 0, -1, GIB), "^memory sizes must not be negative$"),
        ((0, 0, 0, 0), r"^vram_total_bytes must be positive and gpu_memory_utilization in \(0, 1\]$"),
        ((0, 0, 0, GIB, 0.0), "^vram_total_bytes must be positive"),
        ((0, 0, 0, GIB, 1.01), "^vram_total_bytes must be positive"),
    ],
    ids=str,
)
def test_impossible_sizes_are_refused(arguments: tuple[float, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compute_feasibility(*arguments)  # type: ignore[arg-type]


def test_the_smallest_possible_sizes_are_taken() -> None:
    assert compute_feasibility(0, 0, 0, 1, 1.0).fits


@given(st.integers(1, 100), st.integers(1, 131072))
def test_concurrency_and_context_answer_the_same_question(budget_gib: int, context: int) -> None:
    budget = budget_gib * GIB
    requests = compute_max_concurrency_at_context(budget, GIB, 0, LLAMA_8B, context)
    assert requests >= 0
    if requests:
        assert compute_max_context_at_concurrency(budget, GIB, 0, LLAMA_8B, requests) >= context
    assert compute_max_context_at_concurrency(budget, GIB, 0, LLAMA_8B, requests + 1) < context


def test_no_room_is_zero_and_never_negative() -> None:
    assert compute_max_concurrency_at_context(GIB, 2 * GIB, 0, LLAMA_8B, 4096) == 0
    assert compute_max_context_at_concurrency(GIB, 2 * GIB, 0, LLAMA_8B, 1) == 0


def test_auto_is_the_models_own_type() -> None:
    single = replace(LLAMA_8B, dtype="float32")
    rest = {"allocatable_bytes": 20 * GIB, "weights_bytes": 4 * GIB, "overhead_bytes": 0, "metadata": single}
    assert compute_max_concurrency_at_context(**rest, context_len=4096) == 16
    assert compute_max_context_at_concurrency(**rest, concurrency=4) == 16384
