"""NVIDIA GPUs as their driver reports them, through the module pynvml (distribution nvidia-ml-py)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from wizard_tui.hardware import host
from wizard_tui.hardware.answers import items, pair, text, whole
from wizard_tui.hardware.catalog import GIB, cuda_total_bytes, entry_of_driver, mig_instance
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.hardware.visible import Device, visible_devices

_MIG_PROFILE = re.compile(r"\bMIG (\d+g\.\d+gb)", re.IGNORECASE)
# One link, one direction, GB/s, by NVLink version as nvml.h numbers them; 3.1 is the bridge of GA102 boards
_NVLINK_GB_S = {2: 25.0, 3: 25.0, 4: 25.0, 5: 14.0, 6: 25.0, 7: 50.0, 8: 100.0}
MOST_GPUS = 1024
_PATHS = {0: "X", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}


def detect_nvidia(nvml: Any, environ: Mapping[str, str], root: Path = host.ROOT) -> Detection:
    """Ask the driver for every GPU that CUDA would show this process.

    `nvml` is the module pynvml. Single questions that a GPU or driver does not support leave their field empty.
    Raises the module's NVMLError where the driver itself does not answer.
    """
    nvml.nvmlInit()
    try:
        return _Driver(nvml, root).detect(environ)
    finally:
        nvml.nvmlShutdown()


class _Driver:
    def __init__(self, nvml: Any, root: Path) -> None:
        self._nvml = nvml
        self._root = root
        self._problems: list[str] = []

    def detect(self, environ: Mapping[str, str]) -> Detection:
        nvml = self._nvml
        driver = text(self._ask(nvml.nvmlSystemGetDriverVersion))
        cuda = whole(self._ask(nvml.nvmlSystemGetCudaDriverVersion), 1 << 20)
        count = whole(nvml.nvmlDeviceGetCount(), MOST_GPUS) or 0
        devices = [device for index in range(count) for device in self._devices_at(index)]
        setting = environ.get("CUDA_VISIBLE_DEVICES")
        seen = visible_devices(devices, setting)
        if len(seen) < len(devices):
            self._problems.append(f"CUDA_VISIBLE_DEVICES={setting!r} shows {len(seen)} of {len(devices)} GPUs")
        if len({device.gpu.name for device in seen}) > 1 and environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
            self._problems.append(
                "the GPUs differ, and CUDA numbers the fastest first; set CUDA_DEVICE_ORDER=PCI_BUS_ID so that the "
                "numbers here are CUDA's too"
            )
        cuda_version = f"{cuda // 1000}.{cuda % 1000 // 10}" if cuda else None
        links = self._links(seen)
        gpus = tuple(
            replace(self._linked(device, row), driver_version=driver, cuda_version=cuda_version)
            for device, row in zip(seen, links, strict=True)
        )
        return Detection(gpus, tuple(self._problems), driver, cuda_version, links)

    def _ask(self, question: Callable[..., Any], *args: Any) -> Any:
        """The answer, or None where this GPU, this driver or this user's rights give none."""
        try:
            return question(*args)
        except self._nvml.NVMLError:
            return None

    def _devices_at(self, index: int) -> list[Device]:
        """The GPU of that index, or its MIG instances where it is partitioned."""
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            name = text(nvml.nvmlDeviceGetName(handle)) or "GPU without a name"
        except nvml.NVMLError as error:
            self._problems.append(
                f"GPU {index} does not answer ({text(str(error))}); see dmesg, and reset it or reboot"
            )
            return []
        uuid = text(self._ask(nvml.nvmlDeviceGetUUID, handle))
        card = Device(self._state(self._gpu(handle, name), handle, index, uuid), handle, index, (uuid,) if uuid else ())
        mode = pair(self._ask(nvml.nvmlDeviceGetMigMode, handle))
        if mode is None or mode[0] != nvml.NVML_DEVICE_MIG_ENABLE:
            return [card]
        parts = self._mig_instances(card)
        if not parts:
            self._problems.append(
                f"GPU {index} is in MIG mode but has no instances; make some with 'nvidia-smi mig -cgi PROFILE -C', or "
                f"turn the mode off with 'nvidia-smi -i {index} -mig 0'"
            )
        return parts

    def _mig_instances(self, card: Device) -> list[Device]:
        nvml = self._nvml
        parts = []
        slots = whole(self._ask(nvml.nvmlDeviceGetMaxMigDeviceCount, card.handle), MOST_GPUS) or 0
        for slot in range(slots):
            handle = self._ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, card.handle, slot)
            memory = handle and self._memory(handle)
            profile = handle and _MIG_PROFILE.search(text(self._ask(nvml.nvmlDeviceGetName, handle)) or "")
            if not memory or not profile:
                continue
            total, used = memory
            uuid = text(self._ask(nvml.nvmlDeviceGetUUID, handle))
            gpu = replace(
                self._slice(card, profile[1].lower(), total),
                index=None,
                uuid=uuid,
                used_bytes=used,
                holders=self._holders(handle),
            )
            parts.append(Device(gpu, handle, card.index, (*((uuid,) if uuid else ()), *card.uuids)))
        return parts

    def _slice(self, card: Device, profile: str, total_bytes: int) -> GPU:
        entry = entry_of_driver(text(self._ask(self._nvml.nvmlDeviceGetName, card.handle)) or "", None)
        if entry is None:
            return replace(
                card.gpu,
                name=f"{card.gpu.name} MIG {profile}",
                total_bytes=total_bytes,
                mig_profile=profile,
                bandwidth_gb_s=None,
            )
        part = mig_instance(entry, profile, total_bytes)
        return replace(
            card.gpu,
            name=part.name,
            total_bytes=part.total_bytes,
            bandwidth_gb_s=part.bandwidth_gb_s,
            tflops=part.tflops,
            mig_profile=profile,
        )

    def _gpu(self, handle: Any, name: str) -> GPU:
        """The fixed facts: the table's figures where it knows the GPU, with the memory that this driver reports."""
        nvml = self._nvml
        memory = self._memory(handle)
        entry = entry_of_driver(name, memory[0] if memory else None)
        gpu = entry.gpu if entry else GPU(name=name, total_bytes=0, kind=_kind_of(name))
        gpu = replace(
            gpu,
            source="nvml",
            compute_capability=pair(self._ask(nvml.nvmlDeviceGetCudaComputeCapability, handle))
            or gpu.compute_capability,
            bandwidth_gb_s=gpu.bandwidth_gb_s or self._bandwidth(handle),
        )
        if memory is None or gpu.unified_memory:
            return self._unified(gpu)
        total, used = memory
        if entry and entry.driver_bytes:
            # ECC costs memory: an A10 has 23028 MiB with it and 24564 without, and CUDA's total changes with it
            return replace(gpu.with_total(entry.gpu.total_bytes + total - entry.driver_bytes), used_bytes=used)
        return replace(gpu.with_total(cuda_total_bytes(total)), used_bytes=used)

    def _unified(self, gpu: GPU) -> GPU:
        """A GPU that shares the system's memory: vLLM counts the system's total and available memory.

        vllm/utils/mem_utils.py: MemorySnapshot.measure
        """
        memory = host.system_memory(self._root)
        if memory is None:
            self._problems.append(f"the memory of {gpu.name} cannot be read; give it with vram_gb")
            return replace(gpu, unified_memory=True)
        total, available = memory
        limit = host.container_memory_limit(self._root)
        if limit is not None and limit < total:
            self._problems.append(
                f"this container may use {limit / GIB:.1f} of the {total / GIB:.1f} GiB that {gpu.name} shares with "
                "the system; vLLM does not know, so lower --gpu-memory-utilization or raise the limit"
            )
        return replace(gpu.with_total(total), unified_memory=True, used_bytes=total - available)

    def _memory(self, handle: Any) -> tuple[int, int] | None:
        """The total as nvidia-smi shows it, and how much of it processes hold. Without version 2, "used" includes the
        driver's own part."""
        nvml = self._nvml
        memory = _total_and_used(self._ask(nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2))
        if memory is not None:
            return memory
        memory = _total_and_used(self._ask(nvml.nvmlDeviceGetMemoryInfo, handle))
        if memory is None:
            return None
        total, used = memory
        return total, max(0, used - (total - cuda_total_bytes(total)))

    def _bandwidth(self, handle: Any) -> float | None:
        """GB/s from the bus width in bits and the memory clock in MHz, at two transfers a clock."""
        nvml = self._nvml
        width = whole(self._ask(nvml.nvmlDeviceGetMemoryBusWidth, handle), 1 << 20)
        clock = whole(self._ask(nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_MEM), 1 << 20)
        return round(2 * clock * width / 8 / 1000, 1) if width and clock else None

    def _state(self, gpu: GPU, handle: Any, index: int, uuid: str | None) -> GPU:
        """What may change from day to day."""
        nvml = self._nvml
        power = whole(self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle), 1 << 32)
        persistence = whole(self._ask(nvml.nvmlDeviceGetPersistenceMode, handle))
        ecc = pair(self._ask(nvml.nvmlDeviceGetEccMode, handle))
        bus_id = text(getattr(self._ask(nvml.nvmlDeviceGetPciInfo, handle), "busId", None)) or ""
        return replace(
            gpu,
            index=index,
            uuid=uuid,
            holders=self._holders(handle),
            power_limit_w=power / 1000 if power else gpu.power_limit_w,
            persistence_mode=None if persistence is None else persistence == nvml.NVML_FEATURE_ENABLED,
            ecc=None if ecc is None else ecc[0] == nvml.NVML_FEATURE_ENABLED,
            numa_node=host.numa_node(bus_id, self._root),
        )

    def _holders(self, handle: Any) -> tuple[str, ...]:
        nvml = self._nvml
        held: dict[int, int | None] = {}
        for question in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in items(self._ask(question, handle)):
                if (pid := whole(getattr(process, "pid", None), 1 << 32)) is not None:
                    held.setdefault(pid, whole(getattr(process, "usedGpuMemory", None)))
        return tuple(
            host.holder(
                pid, text(self._ask(nvml.nvmlSystemGetProcessName, pid)) or host.process_name(pid, self._root), size
            )
            for pid, size in sorted(held.items(), key=lambda item: -(item[1] or 0))
        )

    def _links(self, devices: Sequence[Device]) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(self._path(one, other) for other in devices) for one in devices)

    def _path(self, one: Device, other: Device) -> str:
        nvml = self._nvml
        if one is other:
            return "X"
        if one.gpu.mig_profile or other.gpu.mig_profile:
            return "?"
        nvlink = self._ask(nvml.nvmlDeviceGetP2PStatus, one.handle, other.handle, nvml.NVML_P2P_CAPS_INDEX_NVLINK)
        if nvlink == nvml.NVML_P2P_STATUS_OK:
            return "NVLink"
        ancestor = whole(self._ask(nvml.nvmlDeviceGetTopologyCommonAncestor, one.handle, other.handle))
        return "?" if ancestor is None else _PATHS.get(ancestor, "?")

    def _linked(self, device: Device, row: Sequence[str]) -> GPU:
        """The GPU with the link it has here, which may be less than the table promises, or more: a bridge."""
        gpu = device.gpu
        others = [path for path in row if path != "X"]
        if not others or gpu.mig_profile:
            return gpu
        if all(path == "NVLink" for path in others):
            known = gpu.link_gb_s if gpu.interconnect == "nvlink" else None
            return replace(gpu, interconnect="nvlink", link_gb_s=known or self._nvlink_gb_s(device.handle))
        known = gpu.link_gb_s if gpu.interconnect == "pcie" else None
        return replace(gpu, interconnect="pcie", link_gb_s=self._pcie_gb_s(device.handle) or known)

    def _nvlink_gb_s(self, handle: Any) -> float | None:
        nvml = self._nvml
        total = 0.0
        for link in range(nvml.NVML_NVLINK_MAX_LINKS):
            if self._ask(nvml.nvmlDeviceGetNvLinkState, handle, link) == nvml.NVML_FEATURE_ENABLED:
                version = whole(self._ask(nvml.nvmlDeviceGetNvLinkVersion, handle, link))
                total += 0.0 if version is None else _NVLINK_GB_S.get(version, 0.0)
        return total or None

    def _pcie_gb_s(self, handle: Any) -> float | None:
        """A lane of generation 3 carries 1 GB/s a direction, and each generation twice as much as the one before."""
        generation = whole(self._ask(self._nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle), 16)
        width = whole(self._ask(self._nvml.nvmlDeviceGetMaxPcieLinkWidth, handle), 1 << 10)
        return width * 2.0 ** (generation - 3) if generation and width else None


def _total_and_used(memory: object) -> tuple[int, int] | None:
    total, used = whole(getattr(memory, "total", None)), whole(getattr(memory, "used", None))
    return (total, min(used, total)) if total and used is not None else None


def _kind_of(name: str) -> str:
    if "GeForce" in name:
        return "geforce"
    return "workstation" if re.search(r"\b(?:RTX|Quadro|TITAN)\b", name) else "datacenter"
