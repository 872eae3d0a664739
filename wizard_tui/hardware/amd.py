"""AMD GPUs as their driver reports them, through the module amdsmi that comes with ROCm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from wizard_tui.hardware import host
from wizard_tui.hardware.answers import fields, items, text, whole
from wizard_tui.hardware.catalog import entry_of_driver
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.hardware.visible import Device, visible_devices

# amdsmi_link_type_t; vLLM's platforms/rocm.py takes type 2 at one hop for XGMI as well
_XGMI = 2


def detect_amd(smi: Any, environ: Mapping[str, str]) -> Detection:
    """Ask the driver for every GPU that HIP would show this process. `smi` is the module amdsmi.

    Raises the module's AmdSmiException where the driver itself does not answer.
    """
    smi.amdsmi_init()
    try:
        return _detect(smi, environ)
    finally:
        smi.amdsmi_shut_down()


def _detect(smi: Any, environ: Mapping[str, str]) -> Detection:
    devices = [_device(smi, handle, index) for index, handle in enumerate(items(smi.amdsmi_get_processor_handles()))]
    variable = "HIP_VISIBLE_DEVICES" if "HIP_VISIBLE_DEVICES" in environ else "CUDA_VISIBLE_DEVICES"
    seen = visible_devices(devices, environ.get(variable))
    problems = []
    if len(seen) < len(devices):
        problems.append(f"{variable}={environ[variable]!r} shows {len(seen)} of {len(devices)} GPUs")
    links = tuple(tuple(_path(smi, one, other) for other in seen) for one in seen)
    gpus = tuple(_linked(device.gpu, row) for device, row in zip(seen, links, strict=True))
    driver = gpus[0].driver_version if gpus else None
    return Detection(gpus, tuple(problems), driver, None, links)


def _ask(smi: Any, question: Callable[..., Any], *args: Any) -> Any:
    try:
        answer = question(*args)
    except smi.AmdSmiException:
        return None
    return None if answer == "N/A" else answer


def _device(smi: Any, handle: Any, index: int) -> Device:
    vram = smi.AmdSmiMemoryType.VRAM
    asic = fields(_ask(smi, smi.amdsmi_get_gpu_asic_info, handle))
    total = whole(_ask(smi, smi.amdsmi_get_gpu_memory_total, handle, vram))
    name = text(asic.get("market_name")) or "AMD GPU"
    entry = entry_of_driver(name, total)
    gpu = entry.gpu if entry else GPU(name=name, total_bytes=0, vendor="amd", kind="amd")
    uuid = text(_ask(smi, smi.amdsmi_get_gpu_device_uuid, handle))
    driver = fields(_ask(smi, smi.amdsmi_get_gpu_driver_info, handle))
    used = whole(_ask(smi, smi.amdsmi_get_gpu_memory_usage, handle, vram)) or 0
    gpu = replace(
        gpu.with_total(total) if total else gpu,
        source="amdsmi",
        architecture=text(asic.get("target_graphics_version")) or gpu.architecture,
        used_bytes=min(used, total or gpu.total_bytes),
        holders=_holders(smi, handle),
        index=index,
        uuid=uuid,
        numa_node=whole(_ask(smi, smi.amdsmi_topo_get_numa_node_number, handle), 1 << 16),
        driver_version=text(driver.get("driver_version")),
    )
    return Device(gpu, handle, index, (uuid,) if uuid else ())


def _holders(smi: Any, handle: Any) -> tuple[str, ...]:
    held = []
    for process in map(fields, items(_ask(smi, smi.amdsmi_get_gpu_process_list, handle))):
        size = whole(fields(process.get("memory_usage")).get("vram_mem")) or 0
        name, pid = text(process.get("name")), whole(process.get("pid"), 1 << 32)
        if pid is not None:
            held.append((size, host.holder(pid, None if name == "N/A" else name, size)))
    return tuple(phrase for _, phrase in sorted(held, reverse=True))


def _path(smi: Any, one: Device, other: Device) -> str:
    if one is other:
        return "X"
    link = fields(_ask(smi, smi.amdsmi_topo_get_link_type, one.handle, other.handle))
    if "type" not in link:
        return "?"
    return "XGMI" if link["type"] == _XGMI and link.get("hops") == 1 else "PCIe"


def _linked(gpu: GPU, row: Sequence[str]) -> GPU:
    others = [path for path in row if path != "X"]
    if not others:
        return gpu
    link = "xgmi" if all(path == "XGMI" for path in others) else "pcie"
    return replace(gpu, interconnect=link, link_gb_s=gpu.link_gb_s if link == gpu.interconnect else None)
