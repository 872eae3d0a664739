"""GPUs by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.engine.platforms import platforms
from wizard_tui.hardware import catalog
from wizard_tui.hardware.catalog import GIB, MIB, all_gpus, cuda_total_bytes, entries, get_gpu_by_name
from wizard_tui.hardware.gpu import GPU

TABLE = json.loads(Path(catalog.__file__).with_name("gpus.json").read_text(encoding="utf-8"))
DATA = Path(__file__).parents[1] / "data"
ROWS = {row["name"]: row for row in TABLE["gpus"]}

SPELLINGS = [
    ("H100", "NVIDIA H100 80GB HBM3"),
    ("h100", "NVIDIA H100 80GB HBM3"),
    ("H100 80GB", "NVIDIA H100 80GB HBM3"),
    ("H100-80GB", "NVIDIA H100 80GB HBM3"),
    ("h10080gb", "NVIDIA H100 80GB HBM3"),
    ("H100 SXM5 80GB", "NVIDIA H100 80GB HBM3"),
    ("nvidia_h100_80gb_hbm3", "NVIDIA H100 80GB HBM3"),
    ("NVIDIA H100 Tensor Core GPU", "NVIDIA H100 80GB HBM3"),
    ("H100 PCIe", "NVIDIA H100 PCIe"),
    ("H100 NVL", "NVIDIA H100 NVL"),
    ("H100 94GB", "NVIDIA H100 NVL"),
    ("H200", "NVIDIA H200"),
    ("H200 141GB", "NVIDIA H200"),
    ("H20", "NVIDIA H20"),
    ("H20 96GB", "NVIDIA H20"),
    ("H20_96GB_HBM3", "NVIDIA H20"),
    ("H20 141GB", "NVIDIA H20-3e"),
    ("H800", "NVIDIA H800"),
    ("a100_80gb_3g.40gb", "NVIDIA A100-SXM4-80GB MIG 3g.40gb"),
    ("a100 80gb", "NVIDIA A100-SXM4-80GB"),
    ("A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"),
    ("80 GiB A100", "NVIDIA A100-SXM4-80GB"),
    ("A100 40GB", "NVIDIA A100-SXM4-40GB"),
    ("A100-PCIE-40GB", "NVIDIA A100-PCIE-40GB"),
    ("A100 PCIe 80GB", "NVIDIA A100 80GB PCIe"),
    ("A10", "NVIDIA A10"),
    ("A10G", "NVIDIA A10G"),
    ("A30 24GB", "NVIDIA A30"),
    ("L4", "NVIDIA L4"),
    ("L40", "NVIDIA L40"),
    ("L40S 48G", "NVIDIA L40S"),
    ("T4", "Tesla T4"),
    ("V100 32GB", "Tesla V100-SXM2-32GB"),
    ("P100", "Tesla P100-PCIE-16GB"),
    ("B200", "NVIDIA B200"),
    ("B200 192GB", "NVIDIA B200"),
    ("GB200", "NVIDIA GB200"),
    ("B300", "NVIDIA B300 SXM6 AC"),
    ("GH200", "NVIDIA GH200 480GB"),
    ("GH200 144GB", "NVIDIA GH200 144G HBM3e"),
    ("GB10", "NVIDIA GB10"),
    ("DGX Spark", "NVIDIA GB10"),
    ("RTX 4090", "NVIDIA GeForce RTX 4090"),
    ("rtx4090", "NVIDIA GeForce RTX 4090"),
    ("4090", "NVIDIA GeForce RTX 4090"),
    ("4090 24GB", "NVIDIA GeForce RTX 4090"),
    ("4090 48GB", "NVIDIA GeForce RTX 4090 48GB"),
    ("RTX 4090 D", "NVIDIA GeForce RTX 4090 D"),
    ("3080", "NVIDIA GeForce RTX 3080 10GB"),
    ("RTX 3080 12GB", "NVIDIA GeForce RTX 3080 12GB"),
    ("RTX 3080 Ti", "NVIDIA GeForce RTX 3080 Ti"),
    ("4060 Ti 16GB", "NVIDIA GeForce RTX 4060 Ti 16GB"),
    ("RTX PRO 6000", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"),
    ("RTX PRO 6000 Max-Q", "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition"),
    ("RTX 6000 Ada", "NVIDIA RTX 6000 Ada Generation"),
    ("A6000", "NVIDIA RTX A6000"),
    ("Quadro RTX 6000", "Quadro RTX 6000"),
    ("MI300X", "AMD Instinct MI300X"),
    ("mi300x 192gb", "AMD Instinct MI300X"),
    ("7900 XTX", "AMD Radeon RX 7900 XTX"),
    ("Gaudi3", "Intel Gaudi 3"),
]

SEPARATORS = st.sampled_from(["", " ", "-", "_", "  "])
NAMES = sorted({name for entry in entries() for name in (entry.gpu.name, *entry.aliases)})


@pytest.mark.parametrize(("spelling", "name"), SPELLINGS)
def test_people_write_names_in_many_ways(spelling: str, name: str) -> None:
    assert get_gpu_by_name(spelling).name == name


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_a_name_of_the_table_means_its_own_gpu(gpu: GPU) -> None:
    assert get_gpu_by_name(gpu.name) == gpu


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.gpu.name)
def test_an_alias_with_the_size_on_the_box_means_a_gpu_of_that_size(entry: catalog.CatalogueEntry) -> None:
    for alias in entry.aliases:
        size = "" if re.search(r"\d ?gb", alias.lower()) else f" {entry.marketed_gb}GB"
        assert entry.marketed_gb == ROWS[get_gpu_by_name(alias + size).name]["gb"]


@given(st.data())
def test_case_spaces_and_hyphens_do_not_matter(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(NAMES))
    parts = re.split(r"[ -]+", name)
    written = parts[0] + "".join(data.draw(SEPARATORS) + part for part in parts[1:])
    written = "".join(data.draw(st.sampled_from([str.upper, str.lower]))(letter) for letter in written)
    assert _answer(f" {written} ") == _answer(name)


def _answer(name: str) -> object:
    try:
        return get_gpu_by_name(name)
    except ValueError as error:
        return str(error).split(" may be ")[1]


@given(st.text(max_size=30))
def test_any_text_is_a_gpu_or_one_plain_sentence(text: str) -> None:
    try:
        assert get_gpu_by_name(text) in all_gpus()
    except ValueError as error:
        assert "vram_gb" in str(error) or "say which" in str(error)


@pytest.mark.parametrize(
    "name", ["", "  ", "a", "H", "H10", "NVIDIA", "RTX", "GPU", "80GB", "H100 141GB", "4090 Ti", "RTX 4090 Laptop GPU"]
)
def test_no_part_of_a_name_is_taken_for_it(name: str) -> None:
    with pytest.raises(ValueError, match="vram_gb"):
        get_gpu_by_name(name)


def test_an_unknown_name_lists_near_ones() -> None:
    with pytest.raises(ValueError, match="near names: NVIDIA GeForce RTX 40"):
        get_gpu_by_name("RTX 4091")


def test_a_very_long_name_is_answered_and_cut() -> None:
    with pytest.raises(ValueError) as caught:
        get_gpu_by_name("RTX " * 100_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("name", ["A100", "A100 PCIe", "V100", "RTX 4060 Ti", "NVIDIA GeForce RTX 5060 Ti", "RTX 6000"])
def test_a_name_of_several_gpus_is_not_guessed(name: str) -> None:
    with pytest.raises(ValueError, match=r"may be .* or .*say which"):
        get_gpu_by_name(name)


def test_the_memory_decides_where_the_name_does_not() -> None:
    assert get_gpu_by_name("A100", vram_gb=79.25).name == "NVIDIA A100-SXM4-80GB"
    assert get_gpu_by_name("A100", vram_gb=40).name == "NVIDIA A100-SXM4-40GB"
    assert get_gpu_by_name("RTX 4060 Ti", vram_gb=8).name == "NVIDIA GeForce RTX 4060 Ti 8GB"
    assert get_gpu_by_name("H100 NVL", vram_gb=80).name == "NVIDIA H100 NVL"


# cudaMemGetInfo totals of recorded vLLM boots: https://github.com/mondegreens/apron
@pytest.mark.parametrize(
    ("name", "total_bytes"),
    [
        ("H100", 85_017_493_504),
        ("A100 80GB", 85_093_777_408),
        ("RTX A6000", 50_899_648_512),
        ("RTX 4090", 25_250_627_584),
        ("L4", 23_659_151_360),
    ],
)
def test_total_is_what_cuda_reports(name: str, total_bytes: int) -> None:
    gpu = get_gpu_by_name(name)
    assert gpu.total_bytes == total_bytes
    driver_bytes = ROWS[gpu.name]["driver_mib"] * MIB
    assert abs(cuda_total_bytes(driver_bytes) - total_bytes) < 200 * MIB


def test_amd_reports_all_of_its_memory() -> None:
    # rocm-smi: https://github.com/ROCm/legacy-rocm-build/issues/4750
    assert get_gpu_by_name("MI300X").total_bytes == 206_141_652_992
    assert get_gpu_by_name("W7800").total_bytes == 32 * GIB


@pytest.mark.parametrize("gpu", all_gpus(), ids=lambda gpu: gpu.name)
def test_every_row_is_sound(gpu: GPU) -> None:
    row = ROWS[gpu.name]
    assert 0.85 * row["gb"] < gpu.total_bytes / GIB <= row["gb"]
    assert gpu.bandwidth_gb_s is not None
    # reading the whole memory once takes 13 ms (RTX 3080) to half a second (Thor), whatever the size of both
    assert 0.005 < row["gb"] / gpu.bandwidth_gb_s < 1, "bandwidth and memory are in one unit"
    assert gpu.power_limit_w
    assert gpu.platform == platforms()[gpu.vendor]
    assert gpu.platform.problem or gpu.generation.covers(gpu.capability), "platforms.toml has no such generation"
    assert (gpu.compute_capability is None) == (gpu.architecture is not None) == (gpu.vendor != "nvidia")
    assert gpu.unified_memory <= (gpu.kind == "soc" or gpu.name == "AMD Instinct MI300A")
    peaks = dict(gpu.tflops)
    assert peaks.get("bf16") in (None, peaks.get("fp16"))
    if gpu.compute_capability and peaks:
        assert ("bf16" in peaks) == gpu.generation.bfloat16
        assert ("fp8" in peaks) <= gpu.generation.fp8_cache
        assert ("fp4" in peaks) <= (gpu.compute_capability >= (10, 0))


@pytest.mark.parametrize("row", TABLE["gpus"], ids=lambda row: row["name"])
def test_every_figure_has_a_source_or_is_marked_unverified(row: dict[str, object]) -> None:
    assert row["class"] in {"datacenter", "workstation", "geforce", "soc", "amd", "gaudi"}
    source = row.get("source", {})
    assert isinstance(source, dict)
    assert set(source.values()) <= set(TABLE["sources"])
    figures = {"driver_mib", "cuda_bytes", "cuda_gib", "bandwidth_gb_s", "tflops", "link", "tdp_w", "mig"} & set(row)
    assert set(source) | set(row["unverified"]) == figures  # type: ignore[call-overload]
    assert not set(source) & set(row["unverified"])  # type: ignore[call-overload]


def test_what_was_measured_is_marked_so() -> None:
    """The bands are those of the recorded starts and speeds: a GPU or a generation without any is given wider ones."""
    recorded = (DATA / name for name in ("startup_logs.jsonl", "throughput_points.jsonl"))
    lines = [line for file in recorded for line in file.read_text(encoding="utf-8").splitlines()]
    measured = {get_gpu_by_name(json.loads(line)["gpu"]) for line in lines}
    assert {name for name, row in ROWS.items() if row.get("measured")} == {gpu.name for gpu in measured}
    known = {gpu.generation for gpu in all_gpus() if not gpu.platform.problem}
    assert {generation for generation in known if generation.measured} == {gpu.generation for gpu in measured}


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("H100 80GB", ()),
        ("A100 80GB", ()),
        ("RTX 5090", ("bandwidth", "TFLOP/s")),
        ("RTX 3080 10GB", ("memory", "bandwidth", "TFLOP/s")),
        ("MI300A", ("memory", "bandwidth", "TFLOP/s")),
        ("MI355X", ("memory", "TFLOP/s")),
    ],
)
def test_what_nobody_looked_up_is_said(name: str, figures: tuple[str, ...]) -> None:
    gpu = get_gpu_by_name(name)
    assert gpu.unverified == figures
    assert gpu.with_total(GIB).unverified == tuple(figure for figure in figures if figure != "memory")


def test_the_table_is_large_and_its_names_are_unique() -> None:
    assert len(TABLE["gpus"]) == len(ROWS) >= 80


def test_a_mig_profile_is_a_slice_of_its_gpu() -> None:
    whole, part = get_gpu_by_name("A100 40GB"), get_gpu_by_name("A100 40GB MIG 1g.5gb")
    # PyTorch prints 4.75 GiB as the total of such an instance
    assert part.total_bytes == int(4.75 * GIB)
    assert part.mig_profile == "1g.5gb"
    assert whole.bandwidth_gb_s is not None
    assert part.bandwidth_gb_s == pytest.approx(whole.bandwidth_gb_s / 8, rel=0.01)
    assert dict(part.tflops)["bf16"] == pytest.approx(312 / 7, rel=0.01)
    assert get_gpu_by_name(part.name) == part
    with pytest.raises(ValueError, match=r"no MIG profile 1g\.6gb; it offers 1g\.5gb"):
        get_gpu_by_name("A100 40GB 1g.6gb")
    with pytest.raises(ValueError, match="cannot be partitioned"):
        get_gpu_by_name("RTX 4090 1g.5gb")


def test_a_driver_name_shared_by_several_gpus_is_told_apart_by_memory() -> None:
    def name(driver_name: str, mib: int | None) -> str:
        entry = catalog.entry_of_driver(driver_name, mib and mib * MIB)
        assert entry
        return entry.gpu.name

    assert name("NVIDIA GeForce RTX 4090", 24564) == "NVIDIA GeForce RTX 4090"
    assert name("NVIDIA GeForce RTX 4090", 49140) == "NVIDIA GeForce RTX 4090 48GB"
    assert name("NVIDIA GeForce RTX 4060 Ti", 8188) == "NVIDIA GeForce RTX 4060 Ti 8GB"
    assert name("NVIDIA H100 80GB HBM3", None) == "NVIDIA H100 80GB HBM3"
    assert catalog.entry_of_driver("NVIDIA H100", 81559 * MIB) is None
