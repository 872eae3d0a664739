"""A start teaches the next plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.launch.conftest import started
from tests.planning.conftest import facts, request
from wizard_tui.launch.calibrate import observation
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.planner import plan
from wizard_tui.resolver import Facts

GIB = 1 << 30


def here(**changes: Any) -> Facts:
    known = facts()
    return replace(known, gpus=tuple(replace(gpu, index=0) for gpu in known.gpus), **changes)


def logged(available_gib: float) -> Any:
    return started([f"Available KV cache memory: {available_gib:.2f} GiB", "vLLM API server version 0.33.0"]).log


def test_the_next_plan_gives_what_this_start_showed() -> None:
    first = decide(request(), here())
    log = logged(first.estimate.kv_available / GIB - 0.5)
    seen = observation(first, log)
    assert seen is not None
    assert seen.more_bytes / GIB == pytest.approx(0.5, abs=0.006)
    second = plan(request(), here(observed=(seen,)))
    assert second.memory.kv_available / GIB == pytest.approx(log.values["available_kv_gib"], abs=1e-6)
    memory = second.memory
    parts = memory.weights + memory.activation_peak + memory.cuda_graphs + memory.non_torch + memory.kv_available
    assert parts == memory.budget
    assert "corrected by this machine" in second.accuracy["overhead"].source
    assert any("calibration clear" in line for line in second.feasibility.warnings)


def test_a_correction_is_replaced_and_not_added_to() -> None:
    first = decide(request(), here())
    actual = first.estimate.kv_available / GIB - 0.5
    seen = observation(first, logged(actual))
    assert seen is not None
    again = observation(decide(request(), here(observed=(seen,))), logged(actual))
    assert again is not None
    assert again.more_bytes == pytest.approx(seen.more_bytes, abs=0.006 * GIB)


def test_another_box_teaches_nothing() -> None:
    assert observation(decide(request(), facts()), logged(50)) is None


def nothing_to_learn(**policy: Any) -> Decision:
    return decide(request(policy=policy), here())


def test_a_fixed_cache_and_a_fixed_overhead_teach_nothing() -> None:
    assert observation(nothing_to_learn(kv_cache_memory_bytes="10G"), logged(10)) is None
    assert observation(nothing_to_learn(overhead_gb=3), logged(10)) is None
    assert observation(decide(request(), here()), started(["nothing"]).log) is None


def test_a_plan_for_another_box_is_not_corrected() -> None:
    first = decide(request(), here())
    seen = observation(first, logged(first.estimate.kv_available / GIB - 0.5))
    assert seen is not None
    fixed = plan(request(policy={"overhead_gb": 3}), here(observed=(seen,)))
    assert "corrected" not in fixed.accuracy["overhead"].source


@pytest.mark.parametrize("version", ["0.33.0", "0.33.0+cu129", "v0.33.0"])
def test_a_build_of_the_same_release_is_corrected_too(version: str) -> None:
    first = decide(request(policy={"vllm_version": "0.33.0"}), here())
    log = started(["Available KV cache memory: 50.00 GiB", f"vLLM API server version {version}"]).log
    seen = observation(first, log)
    assert seen is not None
    assert seen.vllm_version == "0.33.0"
    again = decide(request(policy={"vllm_version": version}), here(observed=(seen,)))
    assert again.estimate.observed.starts == 1


def test_a_build_without_a_number_counts_as_what_was_planned() -> None:
    seen = observation(
        decide(request(), here()), started(["Available KV cache memory: 50.00 GiB", "vLLM server version dev"]).log
    )
    assert seen is not None
    assert seen.vllm_version == decide(request(), here()).rules.release
