"""Detection as a whole: no driver, a hung driver, other vendors."""

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
