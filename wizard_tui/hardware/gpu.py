"""One GPU as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from wizard_tui.engine.platforms import Generation, Platform, dotted, generation_of, platform_named


@dataclass(frozen=True)
class GPU:
    """A GPU, detected, named or made by hand.

    `total_bytes` is what CUDA reports as total (cudaMemGetInfo), which is less than the size on the box.
    `vendor` is a platform of engine/platforms.toml. `compute_capability` is NVIDIA's, such as (9, 0); None for other
    vendors, whose `architecture` is set instead.
    `bandwidth_gb_s` and `link_gb_s` (one direction) are in 10^9 bytes a second. `tflops` maps `fp16`, `bf16`, `fp8`,
    `int8`, `fp4` to dense TFLOP/s where the GPU has them. `interconnect` is the link to its neighbours: `nvlink`,
    `pcie`, `xgmi`, `roce`, `network`, `none` or `unknown`. `kind` is `datacenter`, `workstation`, `geforce`, `soc`,
    `amd` or `gaudi`. `used_bytes` and `holders` say what other processes hold; they, `index`, `uuid` and the state
    of the device (`numa_node`, `persistence_mode`, `ecc`) are known only for a detected GPU. `unverified` names those
    of `memory`, `bandwidth` and `TFLOP/s` that the catalogue has no source for, on a GPU that was never measured.
    """

    name: str
    total_bytes: int
    vendor: str = "nvidia"
    compute_capability: tuple[int, int] | None = None
    bandwidth_gb_s: float | None = None
    tflops: tuple[tuple[str, float], ...] = ()
    link_gb_s: float | None = None
    interconnect: str = "unknown"
    kind: str = "unknown"
    unified_memory: bool = False
    index: int | None = None
    uuid: str | None = None
    used_bytes: int = 0
    holders: tuple[str, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    source: str = "catalogue"
    architecture: str | None = None
    mig_profile: str | None = None
    power_limit_w: float | None = None
    numa_node: int | None = None
    persistence_mode: bool | None = None
    ecc: bool | None = None
    unverified: tuple[str, ...] = ()

    @cached_property
    def platform(self) -> Platform:
        """What vLLM and the tools around it need to know about its make."""
        return platform_named(self.vendor)

    @cached_property
    def generation(self) -> Generation:
        """What vLLM and our constants need to know about its chip: the one of its capability, or the nearest known."""
        return generation_of(self.vendor, self.capability)

    @property
    def capability(self) -> str | None:
        """The name of its generation in engine/platforms.toml: `9.0`, `gfx942`."""
        return dotted(self.compute_capability) or (self.architecture and self.architecture.partition(":")[0])

    def with_total(self, total_bytes: int) -> GPU:
        """The same GPU with a memory size that somebody stated, so that it no longer rests on the catalogue."""
        told = tuple(figure for figure in self.unverified if figure != "memory")
        return replace(self, total_bytes=total_bytes, unverified=told)


GPUInfo = GPU
"""The name of `GPU` in the public API."""


@dataclass(frozen=True)
class Detection:
    """What the drivers of this machine reported.

    `problems` are plain sentences, each with its cure: why there is no GPU, or what to know about those found.
    `installed_vllm` is the version of vLLM installed here. `links` names the path between each two GPUs, in order,
    as `nvidia-smi topo -m` does: `NVLink`, `XGMI`, `PIX` (one PCIe switch), `PXB` (several), `PHB` (the host
    bridge), `NODE`, `SYS` (between CPU sockets), `X` on the diagonal, `?` where the driver does not say.
    """

    gpus: tuple[GPU, ...] = ()
    problems: tuple[str, ...] = ()
    driver_version: str | None = None
    cuda_version: str | None = None
    links: tuple[tuple[str, ...], ...] = ()
    installed_vllm: str | None = None
