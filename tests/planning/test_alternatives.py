"""Other ways to run a workload, and other boxes."""

from __future__ import annotations

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.catalog import all_gpus
from wizard_tui.planning.alternatives import alternatives, boxes_that_do
from wizard_tui.planning.decide import decide
from wizard_tui.planning.suggest import patched


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
    boxes = boxes_that_do(asked, known, all_gpus())
    sizes = [gpu.total_bytes * count for gpu, count, _ in boxes]
    assert sizes == sorted(sizes)
    assert all(decision.fits for _, _, decision in boxes)
    # 131 GiB of weights: https://huggingface.co/meta-llama/Llama-3.1-70B
    (count,) = (count for gpu, count, _ in boxes if gpu.name == "NVIDIA H100 80GB HBM3")
    assert 2 <= count <= 4
