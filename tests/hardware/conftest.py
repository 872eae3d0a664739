# ruff: noqa: N802
"""Machines whose drivers' answers were written down, behind the calls of the real modules pynvml and amdsmi."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pynvml
import pytest

from wizard_tui.hardware.detect import detect
from wizard_tui.hardware.gpu import Detection

MACHINES = Path(__file__).parent / "machines"
Fact = dict[str, Any]
NOTHING: Mapping[str, Exception] = {}


class NvidiaDriver:
    """Answers as NVML does. What the record of a machine does not hold is Not Supported, as on real hardware."""

    def __init__(self, record: Fact) -> None:
        self._record = record
        self._gpus = [record["gpu"] | gpu for gpu in record["gpus"]]

    @staticmethod
    def _of(gpu: Fact, field: str) -> Any:
        if gpu.get(field) is None:
            raise pynvml.NVMLError_NotSupported()
        return gpu[field]

    def nvmlInit(self) -> None: ...

    def nvmlShutdown(self) -> None: ...

    def nvmlSystemGetDriverVersion(self) -> str:
        return str(self._record["driver"])

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return int(self._record["cuda"])

    def nvmlDeviceGetCount(self) -> int:
        return len(self._gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Fact:
        return dict(self._gpus[index])

    def nvmlDeviceGetName(self, gpu: Fact) -> Any:
        return self._of(gpu, "name")

    def nvmlDeviceGetUUID(self, gpu: Fact) -> Any:
        return self._of(gpu, "uuid")

    def nvmlDeviceGetCudaComputeCapability(self, gpu: Fact) -> tuple[int, ...]:
        return tuple(self._of(gpu, "capability"))

    def nvmlDeviceGetMemoryInfo(self, gpu: Fact, version: int | None = None) -> SimpleNamespace:
        memory = self._of(gpu, "memory")
        free = memory["total"] - memory["reserved"] - memory["used"]
        if version is None:
            return SimpleNamespace(total=memory["total"], free=free, used=memory["total"] - free)
        assert version == pynvml.nvmlMemory_v2
        return SimpleNamespace(**memory, free=free)

    def nvmlDeviceGetPersistenceMode(self, gpu: Fact) -> Any:
        return self._of(gpu, "persistence")

    def nvmlDeviceGetEccMode(self, gpu: Fact) -> Any:
        return self._of(gpu, "ecc")

    def nvmlDeviceGetEnforcedPowerLimit(self, gpu: Fact) -> Any:
        return self._of(gpu, "power_mw")

    def nvmlDeviceGetPciInfo(self, gpu: Fact) -> SimpleNamespace:
        return SimpleNamespace(busId=self._of(gpu, "pci").encode())

    def nvmlDeviceGetMemoryBusWidth(self, gpu: Fact) -> Any:
        return self._of(gpu, "bus_width")

    def nvmlDeviceGetMaxClockInfo(self, gpu: Fact, clock: int) -> Any:
        assert clock == pynvml.NVML_CLOCK_MEM
        return self._of(gpu, "memory_mhz")

    def nvmlDeviceGetMaxPcieLinkGeneration(self, gpu: Fact) -> Any:
        return self._of(gpu, "pcie")[0]

    def nvmlDeviceGetMaxPcieLinkWidth(self, gpu: Fact) -> Any:
        return self._of(gpu, "pcie")[1]

    def nvmlDeviceGetNvLinkState(self, gpu: Fact, link: int) -> int:
        links = self._of(gpu, "nvlink")["links"]
        if link >= links:
            raise pynvml.NVMLError_InvalidArgument()
        return int(pynvml.NVML_FEATURE_ENABLED)

    def nvmlDeviceGetNvLinkVersion(self, gpu: Fact, _link: int) -> Any:
        return self._of(gpu, "nvlink")["version"]

    def nvmlDeviceGetP2PStatus(self, _one: Fact, _other: Fact, kind: int) -> Any:
        assert kind == pynvml.NVML_P2P_CAPS_INDEX_NVLINK
        linked = self._record.get("nvlink_between_all")
        return pynvml.NVML_P2P_STATUS_OK if linked else pynvml.NVML_P2P_STATUS_NOT_SUPPORTED

    def nvmlDeviceGetTopologyCommonAncestor(self, _one: Fact, _other: Fact) -> Any:
        return self._of(self._record, "ancestor")

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Fact) -> list[SimpleNamespace]:
        return self._processes(gpu, "processes")

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: Fact) -> list[SimpleNamespace]:
        return self._processes(gpu, "graphics")

    def _processes(self, gpu: Fact, kind: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(pid=p["pid"], usedGpuMemory=p["used"]) for p in gpu.get(kind, ())]

    def nvmlSystemGetProcessName(self, pid: int) -> str:
        parts = [part for gpu in self._gpus for part in (gpu, *(gpu.get("mig") or ())) if part]
        for process in (p for part in parts for kind in ("processes", "graphics") for p in part.get(kind, ())):
            if process["pid"] == pid:
                return str(process["name"])
        raise pynvml.NVMLError_NotFound()

    def nvmlDeviceGetMigMode(self, gpu: Fact) -> Any:
        return self._of(gpu, "mig_mode")

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: Fact) -> Any:
        return self._of(gpu, "mig_slots")

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: Fact, slot: int) -> Fact:
        parts = gpu["mig"]
        if slot >= len(parts) or parts[slot] is None:
            raise pynvml.NVMLError_NotFound()
        return dict(parts[slot])


def nvml_module(record: Fact, failing: Mapping[str, Exception] = NOTHING) -> ModuleType:
    """A module that has pynvml's constants and errors, and those of its functions that the driver above answers.

    Every call is held against the signature of the real function. `failing` names functions that raise instead.
    """
    module = ModuleType("pynvml")
    vars(module).update({name: value for name, value in vars(pynvml).items() if name.lower().startswith("nvmlerror")})
    vars(module).update({name: value for name, value in vars(pynvml).items() if name.startswith(("NVML_", "nvmlMem"))})
    driver = NvidiaDriver(record)
    for name, answer in inspect.getmembers(driver, inspect.ismethod):
        if name.startswith("nvml"):
            setattr(module, name, _checked(name, answer, failing.get(name)))
    return module


def _checked(name: str, answer: Callable[..., Any], error: Exception | None) -> Callable[..., Any]:
    signature = inspect.signature(getattr(pynvml, name))

    def call(*args: Any) -> Any:
        signature.bind(*args)
        if error is not None:
            raise error
        return answer(*args)

    return call


def amdsmi_module(record: Fact, failing: Collection[str] = ()) -> ModuleType:
    """A module with the calls of amdsmi, answered from the record; `failing` names functions that raise.

    https://rocm.docs.amd.com/projects/amdsmi/en/latest/reference/amdsmi-py-api.html
    """

    class AmdSmiException(Exception):  # noqa: N818
        pass

    gpus = [record["gpu"] | gpu for gpu in record["gpus"]]
    answers: dict[str, Callable[..., Any]] = {
        "init": lambda: None,
        "shut_down": lambda: None,
        "get_processor_handles": lambda: gpus,
        "get_gpu_asic_info": lambda gpu: {
            "market_name": gpu["market_name"],
            "target_graphics_version": gpu["gfx"],
        },
        "get_gpu_memory_total": lambda gpu, kind: gpu["total"] if kind == "VRAM" else 0,
        "get_gpu_memory_usage": lambda gpu, kind: gpu["used"] if kind == "VRAM" else 0,
        "get_gpu_device_uuid": lambda gpu: gpu["uuid"],
        "get_gpu_driver_info": lambda gpu: {"driver_name": "amdgpu", "driver_version": record["driver"]},
        "get_gpu_process_list": lambda gpu: gpu.get("processes", []),
        "topo_get_numa_node_number": lambda gpu: gpu["numa"],
        "topo_get_link_type": lambda one, other: record["link"],
    }
    module = ModuleType("amdsmi")

    def failed(*_args: Any) -> None:
        raise AmdSmiException("not supported")

    vars(module).update(AmdSmiException=AmdSmiException, AmdSmiMemoryType=SimpleNamespace(VRAM="VRAM", GTT="GTT"))
    for name, answer in answers.items():
        setattr(module, f"amdsmi_{name}", failed if name in failing else answer)
    return module


class Machine:
    """A machine to detect: its driver modules in sys.modules, its /proc and /sys in a directory."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch
        self.modules(pynvml=None, amdsmi=None)

    def modules(self, **modules: ModuleType | None) -> None:
        for name, module in modules.items():
            self._monkeypatch.setitem(sys.modules, name, module)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def on_bus(self, vendor: str, device_class: str = "0x030200", place: str = "0000:01:00.0") -> None:
        self.write(f"sys/bus/pci/devices/{place}/class", f"{device_class}\n")
        self.write(f"sys/bus/pci/devices/{place}/vendor", f"{vendor}\n")

    def nvidia(self, machine: str, /, failing: Mapping[str, Exception] = NOTHING, **changes: Any) -> None:
        """Become the recorded machine of that name; `changes` are made to each of its GPUs."""
        record = json.loads((MACHINES / f"{machine}.json").read_text(encoding="utf-8"))
        record["gpus"] = [gpu | changes for gpu in record["gpus"]]
        for gpu in record["gpus"]:
            self.write(f"sys/bus/pci/devices/{gpu['pci'].lower()[4:]}/numa_node", f"{gpu['numa']}\n")
        if "meminfo" in record:
            self.write("proc/meminfo", "".join(f"{key}: {kb:>10} kB\n" for key, kb in record["meminfo"].items()))
        self.modules(pynvml=nvml_module(record, failing))

    def amd(self, machine: str, *failing: str, **changes: Any) -> None:
        record = json.loads((MACHINES / f"{machine}.json").read_text(encoding="utf-8"))
        record["gpu"] |= changes
        self.on_bus("0x1002", "0x120000")
        self.modules(amdsmi=amdsmi_module(record, failing))

    def detect(self, **environ: str) -> Detection:
        # generous, so that a slow test machine never turns an answer into a time-out
        return detect(environ, timeout_s=60, root=self.root)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)
