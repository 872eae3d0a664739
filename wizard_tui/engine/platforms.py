"""The platforms on which vLLM runs and the generations of their GPUs; the facts are in platforms.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.tables import read_table

Number = tuple[int, ...]


@dataclass(frozen=True)
class Platform:
    """A make of GPUs. The fields are explained in platforms.toml."""

    name: str
    title: str
    image: str
    capability: str = ""
    names: str = ""
    bus: str = ""
    served_by: str = ""
    kubernetes_resource: str = ""
    visible_devices: str = ""
    visible_with: tuple[str, ...] = ()
    docker_runtimes: tuple[str, ...] = ()
    cdi: str = ""
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    security_options: tuple[str, ...] = ()
    device_groups: tuple[str, ...] = ()
    quantization: str = "cuda"
    links: str = ""
    driver_keeps: bool = False
    has_cuda: bool = False

    @property
    def runs(self) -> str:
        """How vLLM runs on it, as a sentence; empty where it runs as it is planned here."""
        return f"vLLM runs on {self.title} by {self.served_by}" if self.served_by else ""

    @property
    def problem(self) -> str | None:
        """Why nothing can be planned for it; None where it can."""
        return f"{self.runs}, for which nothing can be planned here" if self.served_by else None

    def environment(self, indices: tuple[int, ...] | None) -> tuple[str, ...]:
        """Assignments that show vLLM the chosen GPUs only; none where all are meant."""
        if not indices or not self.visible_devices:
            return ()
        return (*self.visible_with, f"{self.visible_devices}={','.join(map(str, indices))}")


class Padding(NamedTuple):
    """How the kernels of MXFP4 store experts. `later` names the padding of vLLM versions that pad more."""

    width: int
    hidden: int
    layout_share: float
    later: str = ""


UNPADDED = Padding(width=1, hidden=1, layout_share=0.0)


@dataclass(frozen=True)
class Generation:
    """GPUs that vLLM and our measured constants treat alike. The fields are explained in platforms.toml."""

    platform: str
    capabilities: tuple[str, ...]
    chip: str
    memory: str
    overhead: str = "hopper_on"
    mxfp4: str = "other"
    attention_kernels: str = "other"
    largest_capture: int = 512
    large_batches: bool = True
    bfloat16: bool = True
    fp8_weights: bool = True
    fp8_cache: bool = True
    measured: bool = True

    def covers(self, capability: str | None) -> bool:
        """Whether it is really this one, and not the nearest that is known."""
        return capability in self.capabilities


@lru_cache(maxsize=64)
def platform_named(name: str) -> Platform:
    """The platform of that name. One that is not known is a platform on which vLLM is not known to run."""
    known = platforms()
    if name in known:
        return known[name]
    return Platform(name, name, f"your-image-with-vllm-for-{name}", served_by="a plugin that is not known here")


def platform_of_name(gpu_name: str) -> str:
    """The platform that a GPU's own name tells, such as `amd` for `Instinct MI455X`; the first where it tells none."""
    text = re.sub(r"[_-]", " ", gpu_name.lower())
    told = (platform.name for platform in platforms().values() if platform.names and re.search(platform.names, text))
    return next(told, next(iter(platforms())))


def platform_of_capability(capability: str) -> str:
    """The platform whose generations are called so: `9.0`, `gfx942`, `gaudi3`. Raises KeyError for none."""
    for platform in platforms().values():
        if platform.capability and re.fullmatch(platform.capability, capability):
            return platform.name
    raise KeyError(capability)


@lru_cache(maxsize=256)
def generation_of(platform: str, capability: str | None) -> Generation:
    """The generation of a capability, or the nearest one: see platforms.toml.

    A platform that is not planned for has one like that of a GPU of which nothing is known.
    """
    rows = [row for row in _generations() if row.platform == platform] or list(_generations())
    unknown = next(row for row in rows if not row.capabilities)
    asked = _number(capability)
    older = unknown
    newest: Number = ()
    for row in rows:
        for known in row.capabilities:
            if known == capability:
                return row
            number = _number(known)
            if newest < number < asked:
                older, newest = row, number
    return older


def nvidia_generation(compute_capability: tuple[int, int] | None) -> Generation:
    """The generation of an NVIDIA GPU of which only the compute capability is given."""
    return generation_of("nvidia", dotted(compute_capability))


def dotted(compute_capability: tuple[int, int] | None) -> str | None:
    """A compute capability as NVIDIA writes it: `9.0`."""
    return ".".join(map(str, compute_capability)) if compute_capability else None


def mxfp4_padding(generation: Generation, *, padded_later: bool) -> Padding:
    """How the experts of MXFP4 are stored on a generation, by a version that pads more than the first or not."""
    tables = _tables()["mxfp4"]
    padding = Padding(**tables[generation.mxfp4])
    return Padding(**tables[padding.later]) if padded_later and padding.later else padding


def unmeasured_band_width() -> int:
    """How many times as wide the bands are of a figure that nobody measured."""
    width: int = _tables()["unmeasured"]["band_width"]
    return width


@lru_cache(maxsize=1)
def platforms() -> dict[str, Platform]:
    """All platforms by name, in the order of the table."""
    return {name: Platform(name, **_frozen(row)) for name, row in _tables()["platform"].items()}


@lru_cache(maxsize=1)
def _generations() -> tuple[Generation, ...]:
    return tuple(Generation(**_frozen(row)) for row in _tables()["generation"])


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


def _number(capability: str | None) -> Number:
    """A capability such as `10.3` as numbers, which have an order; nothing for names of architectures."""
    parts = (capability or "").split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else ()


@lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    return read_table(__package__, "platforms.toml")
