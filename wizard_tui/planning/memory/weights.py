"""Bytes of weights on one GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.by_count import bytes_per_parameter


@dataclass(frozen=True)
class Weights:
    bytes: int
    bytes_by_rank: tuple[int, ...]
    parts: dict[str, int] = field(hash=False)
    source: str
    relative_error: float
    warnings: tuple[str, ...] = ()


@lru_cache(maxsize=1024)
def weights_for(
    metadata: ModelMetadata,
    *,
    tp: int,
    pp: int = 1,
    dp: int = 1,
    expert_parallel: bool = False,
    dtype: str = "auto",
    quantization: str | None = None,
    compute_capability: tuple[int, int] | None = None,
) -> Weights:
    size = int(metadata.num_params * bytes_per_parameter(dtype, quantization or metadata.quantization)) // (tp * pp)
    return Weights(size, (size,) * pp, {}, metadata.source, 0.05)
