"""One GPU as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GPU:
    """A GPU, detected, named or made by hand.

    `total_bytes` is what CUDA reports as total (cudaMemGetInfo), which is less than the size on the box.
    `compute_capability` is NVIDIA's, such as (9, 0); None for other vendors. `tflops` maps `fp16`, `bf16`, `fp8`,
    `int8`, `fp4` to dense TFLOP/s where the GPU has them.
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
