"""What Linux says about the machine: memory, devices on the bus, processes. Nothing on other systems."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path("/")

# PCI vendor ids, https://pci-ids.ucw.cz
_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel", "0x1da3": "gaudi", "0x1ae0": "tpu"}
# PCI class codes of display controllers and of processing accelerators
_ACCELERATOR_CLASSES = ("0x03", "0x12")
_LONGEST_PROCESS_NAME = 40


def system_memory(root: Path = ROOT) -> tuple[int, int] | None:
    """Total and available bytes of the system's memory, which on unified-memory machines is the GPU's too."""
    fields = dict(re.findall(r"^(MemTotal|MemAvailable):\s+(\d+) kB$", _read(root / "proc/meminfo"), re.MULTILINE))
    if len(fields) != 2:
        return None
    return int(fields["MemTotal"]) * 1024, int(fields["MemAvailable"]) * 1024


def container_memory_limit(root: Path = ROOT) -> int | None:
    """Bytes of memory that the control group of this process may use, or None where there is no limit."""
    for place in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = _read(root / place).strip()
        if text.isdigit():
            return int(text)
    return None


def accelerators_on_bus(root: Path = ROOT) -> frozenset[str]:
    """Makers of the GPUs and accelerators on the PCI bus: `nvidia`, `amd`, `intel`, `gaudi`, `tpu`."""
    found = set()
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        if _read(device / "class").startswith(_ACCELERATOR_CLASSES):
            found.add(_VENDORS.get(_read(device / "vendor").strip()))
    return frozenset(vendor for vendor in found if vendor)


def numa_node(bus_id: str, root: Path = ROOT) -> int | None:
    """The NUMA node of a PCI device such as `00000000:3B:00.0`; None where the machine has only one."""
    text = _read(root / "sys/bus/pci/devices" / bus_id.lower()[-12:] / "numa_node").strip()
    return int(text) if text.isdigit() else None


def process_name(pid: int, root: Path = ROOT) -> str | None:
    """The name of a running process, or None where it cannot be seen, as from within a container."""
    return _read(root / "proc" / str(pid) / "comm").strip() or None


def holder(pid: int, name: str | None, held_bytes: int | None) -> str:
    """A process that holds memory of a GPU, as a phrase. Its name comes from outside and is made printable."""
    label = Path((name or "").split("\0")[0]).name
    label = "".join(letter for letter in label if letter.isprintable())[:_LONGEST_PROCESS_NAME]
    size = ""
    if held_bytes:
        size = f", {held_bytes / 2**30:.1f} GiB" if held_bytes >= 2**30 else f", {held_bytes / 2**20:.0f} MiB"
    return f"{label or 'a process of another user or container'} (pid {pid}{size})"


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(65_536)
    except OSError:
        return ""
