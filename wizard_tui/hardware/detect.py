"""The GPUs of this machine, as their drivers report them."""

from __future__ import annotations

import os
import platform
import queue
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wizard_tui.engine.platforms import platforms
from wizard_tui.hardware import host
from wizard_tui.hardware.answers import text
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.hardware.installed import installed_vllm

# A healthy driver answers within some hundred milliseconds
DRIVER_TIMEOUT_S = 2.0

_ELSEWHERE = "the wizard can plan for another machine: name its GPU, such as 'H100 80GB', or give its memory"


def detect_gpus() -> list[GPU]:
    """The GPUs that vLLM could use in this process, empty when there are none; `detect` also says why."""
    return list(detect().gpus)


def detect(
    environ: Mapping[str, str] | None = None, timeout_s: float = DRIVER_TIMEOUT_S, root: Path = host.ROOT
) -> Detection:
    """Ask the NVIDIA driver, and then AMD's, for GPUs and their state. Never raises.

    Honours CUDA_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES of `environ` (this process's own by default). A driver that
    hangs costs `timeout_s`: it is asked in a daemon thread, because a call into a hung driver cannot be cancelled.
    `root` is the directory that holds /proc and /sys.
    """
    answers: queue.SimpleQueue[Detection] = queue.SimpleQueue()
    settings = os.environ if environ is None else environ

    def ask() -> None:
        try:
            answers.put(_ask_drivers(settings, root))
        except Exception as error:  # a broken driver library may answer with anything
            answers.put(
                Detection(problems=(f"the GPU driver's answer makes no sense ({text(repr(error))}); see nvidia-smi",))
            )

    threading.Thread(target=ask, name="gpu-detection", daemon=True).start()
    installed = installed_vllm(settings)
    try:
        return replace(answers.get(timeout=timeout_s), installed_vllm=installed)
    except queue.Empty:
        return Detection(
            installed_vllm=installed,
            problems=(
                f"the GPU driver did not answer within {timeout_s:g} s; if it is only slow to start, turn on "
                "persistence mode (sudo nvidia-smi -pm 1), and if nvidia-smi hangs too, reboot",
            ),
        )


def _ask_drivers(environ: Mapping[str, str], root: Path) -> Detection:
    on_bus = host.accelerators_on_bus(root)
    nvidia = _ask_nvidia(environ, root, "nvidia" in on_bus)
    if nvidia.gpus:
        return nvidia
    amd = _ask_amd(environ, "amd" in on_bus)
    if amd.gpus:
        return amd
    if nvidia.driver_version or "nvidia" in on_bus:
        return nvidia
    return amd if amd.problems else Detection(problems=(*nvidia.problems, _nothing_here(on_bus)))


def _ask_nvidia(environ: Mapping[str, str], root: Path, on_bus: bool) -> Detection:
    try:
        import pynvml
    except ImportError:
        return Detection(problems=("the module pynvml is missing; install it with 'pip install nvidia-ml-py'",))
    from wizard_tui.hardware.nvml import detect_nvidia

    try:
        found = detect_nvidia(pynvml, environ, root)
    except pynvml.NVMLError as error:
        return Detection(problems=(_nvidia_problem(pynvml, error, on_bus),))
    if found.gpus or found.problems:
        return found
    return replace(found, problems=("the NVIDIA driver runs, but it shows no GPU to this user; see nvidia-smi -L",))


def _nvidia_problem(nvml: Any, error: Any, on_bus: bool) -> str:
    if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
        if not on_bus:
            return "no NVIDIA driver is installed here"
        return (
            "an NVIDIA GPU is in this machine, but not its driver; install it, or start the container with --gpus all"
        )
    cure = {
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: "load it with 'sudo modprobe nvidia', or reboot",
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: "the driver was updated while it was running; reboot",
        nvml.NVML_ERROR_NO_PERMISSION: "this user may not open /dev/nvidia*; ask for the right to",
    }.get(error.value, "see whether nvidia-smi works")
    return f"the NVIDIA driver does not answer ({text(str(error))}); {cure}"


def _ask_amd(environ: Mapping[str, str], on_bus: bool) -> Detection:
    try:
        import amdsmi
    except (ImportError, OSError, KeyError):  # the module loads ROCm's library as it is imported
        if not on_bus:
            return Detection()
        return Detection(
            problems=(
                "an AMD GPU is in this machine, but not the module amdsmi of ROCm; install it from "
                "/opt/rocm/share/amd_smi, or name the GPU, such as 'MI300X'",
            )
        )
    from wizard_tui.hardware.amd import detect_amd

    try:
        found = detect_amd(amdsmi, environ)
    except amdsmi.AmdSmiException as error:
        return Detection(
            problems=(f"the AMD driver does not answer ({text(str(error))}); see whether amd-smi works",) * on_bus
        )
    return found


def _nothing_here(on_bus: frozenset[str]) -> str:
    """What to say where there is no GPU for vLLM's usual builds."""
    if platform.system() == "Darwin":
        return f"this is a Mac, whose GPU vLLM does not use; {_ELSEWHERE}"
    other = next((one for one in platforms().values() if one.served_by and one.name in on_bus), None)
    found = f"{other.bus} is in this machine; {other.runs}" if other else "no GPU was found"
    return f"{found}; {_ELSEWHERE}"
