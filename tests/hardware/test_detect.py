"""Detection as a whole: no driver, a hung driver, other vendors, and which GPUs are visible."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pynvml
import pytest

from wizard_tui.hardware import detect as detect_module
from wizard_tui.hardware.detect import detect, detect_gpus


def test_no_driver_is_no_error(machine: Any) -> None:
    machine.nvidia("t4", failing={"nvmlInit": pynvml.NVMLError_LibraryNotFound()})
    found = machine.detect()
    assert found.gpus == ()
    assert found.problems[0] == "no NVIDIA driver is installed here"
    assert "the wizard can plan for another machine" in found.problems[1]


def test_the_simple_call_gives_a_list(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    machine.nvidia("t4")
    assert [gpu.name for gpu in detect_gpus()] == ["Tesla T4"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert detect_gpus() == []


@pytest.mark.parametrize(
    ("error", "cure"),
    [
        (pynvml.NVMLError_LibraryNotFound, "--gpus all"),
        (pynvml.NVMLError_DriverNotLoaded, "modprobe nvidia"),
        (pynvml.NVMLError_LibRmVersionMismatch, "reboot"),
        (pynvml.NVMLError_NoPermission, "/dev/nvidia"),
        (pynvml.NVMLError_Unknown, "nvidia-smi"),
    ],
)
def test_a_driver_that_does_not_start_has_a_cure(machine: Any, error: Any, cure: str) -> None:
    machine.on_bus("0x10de")
    machine.nvidia("t4", failing={"nvmlInit": error()})
    found = machine.detect()
    assert found.gpus == ()
    (problem,) = found.problems
    assert cure in problem


def test_a_missing_module_is_named(machine: Any) -> None:
    assert any("pip install nvidia-ml-py" in problem for problem in machine.detect().problems)


def test_nonsense_from_a_driver_is_a_sentence(machine: Any) -> None:
    machine.nvidia("t4", failing={"nvmlDeviceGetCount": UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")})
    found = machine.detect()
    assert found.gpus == ()
    assert "makes no sense" in found.problems[0]


def test_a_hung_driver_is_left_alone(machine: Any) -> None:
    machine.nvidia("t4")
    release = threading.Event()
    sys.modules["pynvml"].nvmlInit = release.wait  # type: ignore[attr-defined]
    try:
        found = detect({}, timeout_s=0.01, root=machine.root)
    finally:
        release.set()
    assert found.gpus == ()
    assert "did not answer within 0.01 s" in found.problems[0]


def test_the_default_patience_is_two_seconds() -> None:
    assert detect.__defaults__ is not None
    assert detect_module.DRIVER_TIMEOUT_S in detect.__defaults__
    assert detect_module.DRIVER_TIMEOUT_S <= 2


def test_a_hung_driver_does_not_keep_the_program_from_ending() -> None:
    code = """if True:
        import sys, threading, types
        sys.modules["amdsmi"] = None
        nvml = sys.modules["pynvml"] = types.ModuleType("pynvml")
        nvml.NVMLError = Exception
        nvml.nvmlInit = threading.Event().wait
        from wizard_tui.hardware.detect import detect
        print(detect({}, timeout_s=0.01).problems[0])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert "did not answer" in done.stdout


@pytest.mark.parametrize(
    ("setting", "indices"),
    [
        ("2,3", [2, 3]),
        ("3,2", [3, 2]),
        (" 1 , 0 ", [1, 0]),
        ("GPU-55555555-aaaa-0000-0000-000000000005", [5]),
        ("GPU-5555,0", [5, 0]),
        ("0,99,1", [0]),
        ("0,0,1", [0]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
        ("GPU-", []),
    ],
)
def test_cuda_visible_devices_is_honoured(machine: Any, setting: str, indices: list[int]) -> None:
    machine.nvidia("h100-x8")
    found = machine.detect(CUDA_VISIBLE_DEVICES=setting)
    assert [gpu.index for gpu in found.gpus] == indices
    assert found.problems[0] == f"CUDA_VISIBLE_DEVICES={setting!r} shows {len(indices)} of 8 GPUs"
    assert len(found.links) == len(indices)


def test_mig_instances_are_visible_by_their_own_uuid_or_their_gpus_index(machine: Any) -> None:
    machine.nvidia("a100-mig")
    (one,) = machine.detect(CUDA_VISIBLE_DEVICES="MIG-22222222-0000-0000-0000-000000000000").gpus
    assert one.mig_profile == "2g.10gb"
    assert [gpu.mig_profile for gpu in machine.detect(CUDA_VISIBLE_DEVICES="0").gpus] == [
        "3g.20gb",
        "2g.10gb",
        "2g.10gb",
    ]


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


@pytest.mark.parametrize(
    ("vendor", "device_class", "words"),
    [
        ("0x1da3", "0x120000", "Gaudi"),
        ("0x1ae0", "0x120000", "TPU"),
        ("0x8086", "0x030000", "Intel GPU"),
        ("0x1a03", "0x030000", "no GPU was found"),
        ("0x8086", "0x020000", "no GPU was found"),
    ],
)
def test_other_accelerators_get_a_kind_sentence(machine: Any, vendor: str, device_class: str, words: str) -> None:
    machine.nvidia("t4", failing={"nvmlInit": pynvml.NVMLError_LibraryNotFound()})
    machine.on_bus(vendor, device_class)
    problem = machine.detect().problems[-1]
    assert words in problem
    assert "plan for another machine" in problem


def test_a_mac_gets_a_kind_sentence(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    problem = machine.detect().problems[-1]
    assert "Mac" in problem
    assert "plan for another machine" in problem


def test_importing_the_room_does_not_import_a_driver_module() -> None:
    code = "import sys, wizard_tui.hardware.detect, wizard_tui.hardware.catalog; print('pynvml' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False"
