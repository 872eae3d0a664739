"""The verdict from parts, and the two questions turned round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.planning.memory.test_by_count import LLAMA_8B
from wizard_tui.planning.memory.feasibility import (
    compute_feasibility,
    compute_max_concurrency_at_context,
    compute_max_context_at_concurrency,
)
from wizard_tui.schemas.numbers import GIB


def test_the_parts_add_up() -> None:
    report = compute_feasibility(15 * GIB, 4 * GIB, 2 * GIB, 80 * GIB, 0.9, metadata=LLAMA_8B, context_len=8192)
    assert report.fits
    assert report.oom_risk == "low"
    assert report.vram_target_alloc_gib == pytest.approx(72)
    assert report.headroom_gib == pytest.approx(72 - 15 - 4 - 2)
    assert report.max_concurrency_at_context == 55
    assert "51.00 GiB to spare" in report.verdict


def test_a_deficit_is_shown_and_not_clipped() -> None:
    report = compute_feasibility(131 * GIB, 1 * GIB, 2 * GIB, 24 * GIB, 0.9)
    assert not report.fits
    assert report.oom_risk == "high"
    assert report.headroom_gib == pytest.approx(21.6 - 134)
    assert "exceed the budget by 111.40 GiB" in report.verdict


def test_spare_memory_that_was_asked_for_counts() -> None:
    report = compute_feasibility(15 * GIB, 1 * GIB, 1 * GIB, 20 * GIB, 0.9, headroom_gb=2)
    assert not report.fits
    assert "2 GiB were asked for" in report.verdict


def test_a_cache_above_half_of_the_budget_is_worth_a_warning() -> None:
    assert compute_feasibility(1 * GIB, 6 * GIB, 1 * GIB, 10 * GIB).warnings


@pytest.mark.parametrize(
    "arguments", [(-1, 0, 0, GIB), (0, 0, 0, 0), (0, 0, 0, GIB, 0.0), (0, 0, 0, GIB, 1.01)], ids=str
)
def test_sizes_that_cannot_be_are_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        compute_feasibility(*arguments)  # type: ignore[arg-type]


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
