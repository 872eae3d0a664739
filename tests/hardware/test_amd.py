"""AMD GPUs as their driver tells of them: a recorded machine behind the calls of amdsmi."""

from __future__ import annotations

from typing import Any


def test_eight_mi300x(machine: Any) -> None:
    machine.amd("mi300x-x8")
    found = machine.detect()
    assert found.problems == ()
    assert found.driver_version == "6.10.5"
    assert len(found.gpus) == 8
    first = found.gpus[0]
    assert first.name == "AMD Instinct MI300X"
    assert first.total_bytes == 206_141_652_992
    assert first.used_bytes == 297_795_584
    assert (first.vendor, first.architecture, first.compute_capability) == ("amd", "gfx942", None)
    assert (first.interconnect, first.link_gb_s) == ("xgmi", 448)
    assert first.holders == ("a process of another user or container (pid 1693982, 10.1 GiB)",)
    assert first.source == "amdsmi"
    assert found.links[0][:2] == ("X", "XGMI")
    assert [gpu.numa_node for gpu in found.gpus] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_hip_visible_devices_is_honoured(machine: Any) -> None:
    machine.amd("mi300x-x8")
    assert [gpu.index for gpu in machine.detect(HIP_VISIBLE_DEVICES="6,1", CUDA_VISIBLE_DEVICES="0").gpus] == [6, 1]
    assert [gpu.index for gpu in machine.detect(CUDA_VISIBLE_DEVICES="4").gpus] == [4]


def test_questions_that_amdsmi_cannot_answer_leave_fields_empty(machine: Any) -> None:
    machine.amd(
        "mi300x-x8", "get_gpu_process_list", "topo_get_link_type", "get_gpu_memory_usage", "get_gpu_device_uuid"
    )
    gpu = machine.detect().gpus[0]
    assert gpu.total_bytes == 206_141_652_992
    assert (gpu.holders, gpu.used_bytes, gpu.uuid) == ((), 0, None)


def test_an_amd_driver_that_does_not_start_has_a_cure(machine: Any) -> None:
    machine.amd("mi300x-x8", "init")
    found = machine.detect()
    assert found.gpus == ()
    assert "amd-smi" in found.problems[0]


def test_an_amd_gpu_without_its_module(machine: Any) -> None:
    machine.on_bus("0x1002", "0x030000")
    assert "amdsmi" in machine.detect().problems[0]


def test_an_amd_gpu_that_the_table_does_not_know(machine: Any) -> None:
    machine.amd("mi300x-x8", market_name="AMD Instinct MI999X", gfx="gfx999", total=400 << 30)
    gpu = machine.detect().gpus[0]
    assert (gpu.name, gpu.architecture, gpu.total_bytes) == ("AMD Instinct MI999X", "gfx999", 400 << 30)
    assert (gpu.vendor, gpu.kind, gpu.bandwidth_gb_s) == ("amd", "amd", None)


def test_the_memory_that_the_driver_reports_counts(machine: Any) -> None:
    machine.amd("mi300x-x8", total=64 << 30)
    assert machine.detect().gpus[0].total_bytes == 64 << 30
