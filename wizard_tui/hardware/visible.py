"""Which of the machine's GPUs a process may see: CUDA_VISIBLE_DEVICES and its AMD siblings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wizard_tui.hardware.gpu import GPU


@dataclass(frozen=True)
class Device:
    """A GPU with the names that an environment variable may give it, and the driver's handle for it.

    A MIG instance answers to its own UUID, and to the index and UUID of the GPU that it is part of.
    """

    gpu: GPU
    handle: Any
    index: int
    uuids: tuple[str, ...]


def visible_devices(devices: Sequence[Device], setting: str | None) -> list[Device]:
    """The devices that `setting` leaves visible, in its order.

    It lists indices or the beginnings of UUIDs. As in CUDA, what follows the first unknown entry is not visible, and
    an empty setting hides everything; None means that the variable is not set.
    """
    if setting is None:
        return list(devices)
    seen: list[Device] = []
    for word in setting.split(","):
        chosen = [device for device in devices if _means(word.strip(), device)]
        if not chosen or any(device in seen for device in chosen):
            break
        seen.extend(chosen)
    return seen


def _means(word: str, device: Device) -> bool:
    if word.isdigit():
        return int(word) == device.index
    return len(word) > len("GPU-") and any(uuid.lower().startswith(word.lower()) for uuid in device.uuids)
