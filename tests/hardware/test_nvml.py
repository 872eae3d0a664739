"""NVIDIA GPUs as their driver tells of them: recorded machines behind the calls of pynvml."""

from __future__ import annotations

import sys
from typing import Any

import pynvml
import pytest

from wizard_tui.hardware.catalog import GIB, MIB, get_gpu_by_name


def test_eight_h100_on_nvlink(machine: Any) -> None:
    machine.nvidia("h100-x8")
    found = machine.detect()
    assert found.problems == ()
    assert (found.driver_version, found.cuda_version) == ("550.90.07", "12.4")
    assert [gpu.index for gpu in found.gpus] == list(range(8))
    first = found.gpus[0]
    assert first.name == "NVIDIA H100 80GB HBM3"
    # cudaMemGetInfo's total of this card, not the 85520809984 bytes that NVML reports
    assert first.total_bytes == 85_017_493_504
    assert first.used_bytes == 4 * MIB
    assert first.compute_capability == (9, 0)
    assert (first.interconnect, first.link_gb_s) == ("nvlink", 450)
    assert (first.persistence_mode, first.ecc, first.power_limit_w) == (True, True, 700)
    assert [gpu.numa_node for gpu in found.gpus] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert first.source == "nvml"
    assert first.bandwidth_gb_s == get_gpu_by_name("H100").bandwidth_gb_s
    assert {path for row in found.links for path in row} == {"X", "NVLink"}
    assert all(row[place] == "X" for place, row in enumerate(found.links))


def test_a_process_that_holds_memory_is_named(machine: Any) -> None:
    machine.nvidia("h100-x8")
    held = machine.detect().gpus[3]
    assert held.holders == ("VLLM::EngineCore (pid 227186, 73.0 GiB)",)
    assert held.used_bytes == 78_383_153_152


def test_mig_instances_stand_for_their_gpu(machine: Any) -> None:
    machine.nvidia("a100-mig")
    found = machine.detect()
    large, small, _, whole = found.gpus
    assert large.name == "NVIDIA A100-SXM4-40GB MIG 3g.20gb"
    assert large.mig_profile == "3g.20gb"
    assert large.total_bytes == 20096 * MIB
    assert large.uuid == "MIG-11111111-0000-0000-0000-000000000000"
    assert large.holders == ("python3 (pid 4242, 9 MiB)",)
    assert large.numa_node == 3
    assert small.total_bytes == 9984 * MIB
    assert large.bandwidth_gb_s
    assert small.bandwidth_gb_s
    assert large.bandwidth_gb_s == pytest.approx(2 * small.bandwidth_gb_s, rel=0.001)
    assert (whole.index, whole.mig_profile) == (1, None)
    assert found.links[0] == ("X", "?", "?", "?")


def test_mig_mode_without_instances_says_how_to_make_some(machine: Any) -> None:
    machine.nvidia("a100-mig", mig=[])
    found = machine.detect()
    assert [gpu.index for gpu in found.gpus] == [1]
    assert "GPU 0 is in MIG mode but has no instances" in found.problems[0]


def test_two_4090_without_nvlink(machine: Any) -> None:
    machine.nvidia("rtx4090-x2")
    found = machine.detect()
    first, second = found.gpus
    assert first.total_bytes == 25_250_627_584
    assert (first.interconnect, first.link_gb_s) == ("pcie", 32)
    # eight lanes of generation 4
    assert (second.interconnect, second.link_gb_s) == ("pcie", 16)
    assert found.links == (("X", "PHB"), ("PHB", "X"))
    assert first.persistence_mode is False
    assert first.numa_node is None
    assert first.holders == ("Xorg (pid 1890, 340 MiB)", "gnome-shell (pid 2101)")


def test_a_bridge_gives_a_card_nvlink_that_the_table_does_not_promise(machine: Any) -> None:
    machine.nvidia("rtx4090-x2", name="NVIDIA RTX A6000", nvlink={"version": 5, "links": 4})
    _replace(nvmlDeviceGetP2PStatus=lambda *_: pynvml.NVML_P2P_STATUS_OK)
    first = machine.detect().gpus[0]
    # 112.5 GB/s both ways together: https://www.nvidia.com/en-us/design-visualization/nvlink-bridges/
    assert (first.interconnect, first.link_gb_s) == ("nvlink", 56)


def test_a_4090_reworked_to_48_gb_is_known_by_its_memory(machine: Any) -> None:
    machine.nvidia("rtx4090-x2", memory={"total": 49140 * MIB, "reserved": 0, "used": 0})
    gpu = machine.detect().gpus[0]
    assert gpu.name == "NVIDIA GeForce RTX 4090 48GB"
    assert 46.5 * GIB < gpu.total_bytes < 48 * GIB


def test_t4(machine: Any) -> None:
    machine.nvidia("t4")
    found = machine.detect()
    (gpu,) = found.gpus
    assert gpu.compute_capability == (7, 5)
    # PyTorch prints 14.56 GiB on these
    assert gpu.total_bytes == int(14.56 * GIB)
    assert gpu.ecc is True
    assert found.links == (("X",),)


def test_memory_that_ecc_takes_is_not_counted(machine: Any) -> None:
    machine.nvidia("t4", name="NVIDIA A10", memory={"total": 24564 * MIB, "reserved": 0, "used": 0})
    # 23.72 GiB printed on an A10 with ECC off: https://github.com/kaito-project/kaito/issues/1374
    assert machine.detect().gpus[0].total_bytes / GIB == pytest.approx(23.72, abs=0.25)


def test_gb10_has_the_memory_of_its_system(machine: Any) -> None:
    machine.nvidia("gb10")
    found = machine.detect()
    (gpu,) = found.gpus
    assert found.problems == ()
    assert gpu.unified_memory
    assert gpu.total_bytes == 125_513_532 * 1024
    assert gpu.used_bytes == (125_513_532 - 117_440_512) * 1024
    assert gpu.ecc is None
    assert gpu.power_limit_w == get_gpu_by_name("GB10").power_limit_w


def test_a_new_machine_whose_gpu_has_no_memory_of_its_own(machine: Any) -> None:
    machine.nvidia("gb10", name="NVIDIA GB11")
    (gpu,) = machine.detect().gpus
    assert gpu.unified_memory
    assert gpu.total_bytes == 125_513_532 * 1024


def test_a_container_limit_on_unified_memory_is_told(machine: Any) -> None:
    machine.nvidia("gb10")
    machine.write("sys/fs/cgroup/memory.max", f"{64 * GIB}\n")
    (problem,) = machine.detect().problems
    assert problem.startswith("this container may use 64.0 of the 119.7 GiB")
    machine.write("sys/fs/cgroup/memory.max", "max\n")
    assert machine.detect().problems == ()


def test_a_gpu_that_the_table_does_not_know(machine: Any) -> None:
    machine.nvidia("t4", name="NVIDIA GeForce RTX 6090", capability=[13, 0], bus_width=512, memory_mhz=14001)
    (gpu,) = machine.detect().gpus
    assert gpu.name == "NVIDIA GeForce RTX 6090"
    assert gpu.kind == "geforce"
    assert gpu.compute_capability == (13, 0)
    assert gpu.bandwidth_gb_s == pytest.approx(1792, rel=0.001)
    assert 14 * GIB < gpu.total_bytes < 15 * GIB
    assert gpu.tflops == ()


def test_an_old_driver_has_memory_version_1_only(machine: Any) -> None:
    machine.nvidia("h100-x8")
    expected = machine.detect().gpus[0]
    answer = sys.modules["pynvml"].nvmlDeviceGetMemoryInfo

    def version_1(gpu: Any, version: int | None = None) -> Any:
        if version is not None:
            raise pynvml.NVMLError_FunctionNotFound()
        return answer(gpu)

    _replace(nvmlDeviceGetMemoryInfo=version_1)
    gpu = machine.detect().gpus[0]
    assert gpu.total_bytes == expected.total_bytes
    assert gpu.used_bytes < expected.used_bytes + 256 * MIB


@pytest.mark.parametrize(
    "call",
    [
        "nvmlSystemGetDriverVersion",
        "nvmlSystemGetCudaDriverVersion",
        "nvmlSystemGetProcessName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetPersistenceMode",
        "nvmlDeviceGetEccMode",
        "nvmlDeviceGetPciInfo",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetGraphicsRunningProcesses",
        "nvmlDeviceGetP2PStatus",
        "nvmlDeviceGetTopologyCommonAncestor",
        "nvmlDeviceGetMaxPcieLinkGeneration",
    ],
)
@pytest.mark.parametrize("error", [pynvml.NVMLError_NotSupported, pynvml.NVMLError_NoPermission])
def test_one_question_without_an_answer_leaves_one_field_empty(machine: Any, call: str, error: Any) -> None:
    machine.nvidia("h100-x8", failing={call: error()})
    found = machine.detect()
    assert len(found.gpus) == 8
    assert found.gpus[0].total_bytes == 85_017_493_504
    assert found.gpus[0].compute_capability == (9, 0)
    if call == "nvmlSystemGetProcessName":
        assert found.gpus[3].holders == ("a process of another user or container (pid 227186, 73.0 GiB)",)


def test_a_process_name_is_found_in_proc_and_made_printable(machine: Any) -> None:
    machine.nvidia("h100-x8", failing={"nvmlSystemGetProcessName": pynvml.NVMLError_NoPermission()})
    machine.write("proc/227186/comm", "pt_main\x1b[31m" + "x" * 200 + "\n")
    (holder,) = machine.detect().gpus[3].holders
    assert holder.startswith("pt_main[31mxxx")
    assert len(holder) < 80
    assert holder.isprintable()


def test_a_lost_gpu_does_not_hide_the_others(machine: Any) -> None:
    machine.nvidia("rtx4090-x2")
    answer = sys.modules["pynvml"].nvmlDeviceGetHandleByIndex

    def lost(index: int) -> Any:
        if index == 0:
            raise pynvml.NVMLError_GpuIsLost()
        return answer(index)

    _replace(nvmlDeviceGetHandleByIndex=lost)
    found = machine.detect()
    assert [gpu.index for gpu in found.gpus] == [1]
    assert found.problems == ("GPU 0 does not answer (GPU is lost); see dmesg, and reset it or reboot",)


def test_different_gpus_are_kept_and_their_order_is_explained(machine: Any) -> None:
    machine.nvidia("rtx4090-x2")
    names = iter(["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3090"] * 2)
    _replace(nvmlDeviceGetName=lambda _gpu: next(names))
    found = machine.detect()
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 3090"]
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in found.problems[0]
    assert machine.detect(CUDA_DEVICE_ORDER="PCI_BUS_ID").problems == ()


def _replace(**answers: Any) -> None:
    """Let the machine's pynvml answer some questions differently."""
    vars(sys.modules["pynvml"]).update(answers)
