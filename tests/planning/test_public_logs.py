"""Whole plans of servers whose start-up logs are public (tests/data/startup_logs.jsonl, each with its source)."""

from __future__ import annotations

from typing import Any

import pytest

from tools.accuracy import of_log, planned, rows
from wizard_tui.planning.decide import decide
from wizard_tui.schemas.numbers import GIB, gib

LOGS = rows("startup_logs.jsonl")
ROUNDING = 0.005
"""vLLM prints GiB with two digits."""


def named(rows: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(row, id=f"{row['model']}-{row['gpu']}-{row['version']}-{row['tp']}") for row in rows]


@pytest.mark.parametrize("row", named([row for row in LOGS if "weights_gib" in row]))
def test_model_loading_took(row: dict[str, Any]) -> None:
    weights = decide(*of_log(row)).estimate.weights
    assert gib(weights.bytes) == pytest.approx(row["weights_gib"], rel=0.011, abs=0.14)
    assert sum(weights.parts.values()) == pytest.approx(weights.bytes, abs=len(weights.parts))


@pytest.mark.parametrize("row", named([row for row in LOGS if "available_kv_gib" in row]))
def test_available_kv_cache_memory_is_in_its_band(row: dict[str, Any]) -> None:
    response = planned(row)
    low, high = (gib(bound) for bound in response.memory.kv_available_range)
    assert low - ROUNDING <= row["available_kv_gib"] <= high + ROUNDING
    assert gib(response.memory.kv_available) == pytest.approx(row["available_kv_gib"], abs=0.6)


@pytest.mark.parametrize("row", named([row for row in LOGS if "tokens" in row and "available_kv_gib" in row]))
def test_gpu_kv_cache_size_for_the_memory_that_vllm_had(row: dict[str, Any]) -> None:
    least, most = (
        planned(row, kv_cache_memory_bytes=int((row["available_kv_gib"] + error) * GIB)).kv_cache.tokens
        for error in (-ROUNDING, ROUNDING)
    )
    assert least <= row["tokens"] <= most


def test_lasting_and_passing_memory_together() -> None:
    """Which of the two a block counts as changes from boot to boot (see overhead.toml)."""
    near = []
    for row in (row for row in LOGS if "peak_gib" in row and "non_torch_gib" in row):
        rest = decide(*of_log(row)).estimate.overhead
        both = row["peak_gib"] + row["non_torch_gib"]
        near.append(gib(rest.activation_peak + rest.non_torch) == pytest.approx(both, rel=0.15, abs=0.15))
    assert len(near) >= 28
    assert sum(near) >= 0.8 * len(near)


@pytest.mark.parametrize("row", named(LOGS))
def test_whether_it_came_up(row: dict[str, Any]) -> None:
    result = decide(*of_log(row)).estimate
    kinds = {"no memory for the cache": "cache", "max_model_len too large": "length"}
    failure = result.failure.kind if result.failure else None
    assert failure == (kinds[row["outcome"]] if "outcome" in row else None)


def test_every_log_has_a_source() -> None:
    assert len(LOGS) >= 38
    assert all(row["source"].startswith("http") for row in LOGS)
