"""Unknowns about a GPU: a warning, and wider bands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.doubts import band_width, doubt_sentences, memory_doubts, speed_doubts
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.outputs import PlanResponse

H100 = get_gpu_by_name("H100 80GB")
NAMELESS = GPU(name="manual GPU", total_bytes=80 << 30, source="manual")


def planned(gpu: GPU, **sections: dict[str, object]) -> PlanResponse:
    return plan(request(**sections), replace(facts(), gpus=(gpu,)))


def spread(response: PlanResponse) -> int:
    low, high = response.memory.kv_available_range
    return high - low


@pytest.mark.parametrize(
    ("gpu", "sentence"),
    [
        (H100, None),
        (get_gpu_by_name("MI300X"), None),
        (NAMELESS, "the chip of manual GPU is not known; it is planned like other NVIDIA GPUs, with wider bands"),
        (
            replace(H100, name="R200", compute_capability=(10, 7)),
            "the generation 10.7 of R200 is not known; it is planned like 10.3, with wider bands",
        ),
        (
            GPU(name="MI455X", total_bytes=432 << 30, vendor="amd", architecture="gfx1250:xnack-"),
            "the generation gfx1250 of MI455X is not known; it is planned like other AMD GPUs, with wider bands",
        ),
        (
            GPU(name="some 5090", total_bytes=32 << 30, compute_capability=(12, 0)),
            "no GPU of the generation 12.0 was measured; the bands of some 5090 are wider",
        ),
        (
            get_gpu_by_name("RTX 3080 10GB"),
            "memory, bandwidth and TFLOP/s of NVIDIA GeForce RTX 3080 10GB have no source in the catalogue; what rests "
            "on them has wider bands",
        ),
    ],
)
def test_a_doubt_is_a_warning(gpu: GPU, sentence: str | None) -> None:
    expected = [] if sentence is None else [sentence]
    assert list(doubt_sentences(gpu)) == expected
    assert [text for text in planned(gpu).feasibility.warnings if "wider" in text] == expected


def test_a_chip_that_nobody_measured_has_wider_bands_of_memory_and_speed() -> None:
    known, unknown = planned(H100), planned(replace(H100, compute_capability=(9, 9)))
    # the band of the weights is their own
    assert spread(known) < spread(unknown) < 2 * spread(known)
    low, high = known.performance.tpot_ms_range
    slow, fast = unknown.performance.tpot_ms_range
    # 0.764 and 1.42 of the median, and the squares of both
    assert (slow, fast) == (pytest.approx(low * 0.764), pytest.approx(high * 1.42))
    assert not any("published measurements" in line for line in unknown.performance.assumptions)
    assert any("published measurements" in line for line in known.performance.assumptions)
    assert unknown.accuracy["performance"] != known.accuracy["performance"]


def test_a_figure_without_source_widens_the_bands_that_rest_on_it() -> None:
    memory, speed = replace(H100, unverified=("memory",)), replace(H100, unverified=("bandwidth",))
    assert spread(planned(memory)) > spread(planned(H100)) == spread(planned(speed))
    ranges = [planned(gpu).performance.ttft_ms_range for gpu in (H100, memory, speed)]
    assert ranges[0] == ranges[1] != ranges[2]


def test_the_users_own_run_replaces_unknown_figures() -> None:
    measured = {"measured_tpot_ms": 20}
    known, unknown = (planned(gpu, workload=measured) for gpu in (H100, replace(H100, unverified=("bandwidth",))))
    assert known.performance.tpot_ms_range == unknown.performance.tpot_ms_range


def test_bands_are_at_least_as_wide_as_for_a_measured_gpu() -> None:
    assert band_width(()) == 1 < band_width(("a doubt",))
    for gpu in all_gpus():
        every = doubt_sentences(gpu)
        assert gpu.platform.problem or bool(every) == bool(memory_doubts(gpu) or speed_doubts(gpu))


@pytest.mark.parametrize("name", ["Intel Gaudi 2", "Intel Gaudi 3"])
def test_what_vllm_serves_by_a_plugin_does_not_fit(name: str) -> None:
    response = planned(get_gpu_by_name(name))
    assert not response.feasibility.fits
    assert "by the plugin vllm-gaudi" in response.feasibility.verdict
    assert not response.feasibility.suggestions
    assert "vllm/vllm-openai" not in response.artifacts.docker_command
    assert "--gpus" not in response.artifacts.docker_command
    assert "nvidia.com" not in response.artifacts.k8s_values
