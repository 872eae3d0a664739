"""Does it fit? The verdict for one GPU on weights, KV cache and the rest."""

from __future__ import annotations

import math

from wizard_tui.errors import Refusal
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.by_count import cache_pool
from wizard_tui.schemas.choices import OOMRisk
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import FeasibilityReport

# Where no measured band is known, the rest beside weights and cache is off by about this much:
# 80 % of the residuals of a formula-only planner on start-up logs of vLLM 0.29 and 0.30 lie inside.
TYPICAL_ERROR_BYTES = int(0.75 * GIB)


def compute_feasibility(
    weights_bytes: int,
    kv_cache_bytes: int,
    overhead_bytes: int,
    vram_total_bytes: int,
    gpu_memory_utilization: float = 0.92,
    headroom_gb: float = 0.0,
    context_len: int = 4096,
    concurrency: int = 1,
    metadata: ModelMetadata | None = None,
    kv_dtype: str = "auto",
    dtype: str = "auto",
    fragmentation_factor: float = 1.0,
) -> FeasibilityReport:
    """The verdict for one GPU from its parts, all in bytes of that same GPU.

    `kv_cache_bytes` is what the workload needs. With `metadata` the report also says how many requests of
    `context_len`, and how long a context for `concurrency` requests, fit into the memory beside weights and overhead (a
    model on one GPU). Raises Refusal for impossible sizes.
    """
    if vram_total_bytes <= 0 or not 0 < gpu_memory_utilization <= 1:
        raise Refusal("vram_total_bytes must be positive and gpu_memory_utilization in (0, 1]")
    if min(weights_bytes, kv_cache_bytes, overhead_bytes) < 0:
        raise Refusal("memory sizes must not be negative")
    budget = math.ceil(vram_total_bytes * gpu_memory_utilization)
    available = budget - weights_bytes - overhead_bytes
    headroom = available - kv_cache_bytes
    fits = headroom >= headroom_gb * GIB
    risk = oom_risk(headroom, headroom - TYPICAL_ERROR_BYTES)
    warnings = []
    if kv_cache_bytes > budget / 2:
        warnings.append(f"the KV cache takes {kv_cache_bytes / budget:.0%} of the budget; fp8 would halve it")
    at_context = at_concurrency = 0
    if metadata is not None:
        shape = (kv_dtype, dtype, fragmentation_factor)
        at_context = compute_max_concurrency_at_context(
            budget, weights_bytes, overhead_bytes, metadata, context_len, *shape
        )
        at_concurrency = compute_max_context_at_concurrency(
            budget, weights_bytes, overhead_bytes, metadata, concurrency, *shape
        )
    return FeasibilityReport(
        fits=fits,
        oom_risk=risk,
        verdict=_sentence(fits, headroom, headroom_gb, weights_bytes + overhead_bytes - budget),
        vram_total_gib=gib(vram_total_bytes),
        vram_target_alloc_gib=gib(budget),
        weights_gib=gib(weights_bytes),
        kv_cache_gib=gib(kv_cache_bytes),
        overhead_gib=gib(overhead_bytes),
        headroom_gib=gib(headroom),
        max_concurrency_at_context=at_context,
        max_context_at_concurrency=at_concurrency,
        warnings=warnings,
    )


def oom_risk(expected_headroom: float, pessimistic_headroom: float) -> OOMRisk:
    """Low when even the pessimistic end of the band is not negative, high when the expected value already is."""
    if expected_headroom < 0:
        return "high"
    return "low" if pessimistic_headroom >= 0 else "medium"


def compute_max_concurrency_at_context(
    allocatable_bytes: int,
    weights_bytes: int,
    overhead_bytes: int,
    metadata: ModelMetadata,
    context_len: int,
    kv_dtype: str = "auto",
    dtype: str = "auto",
    fragmentation_factor: float = 1.0,
) -> int:
    """Requests of `context_len` tokens that the memory beside weights and overhead (bytes) holds; 0 when none."""
    left = allocatable_bytes - weights_bytes - overhead_bytes
    pool = cache_pool(metadata, kv_dtype, dtype)
    each = pool.blocks_per_request(context_len)
    return pool.num_blocks(int(left / fragmentation_factor)) // each if each else 0


def compute_max_context_at_concurrency(
    allocatable_bytes: int,
    weights_bytes: int,
    overhead_bytes: int,
    metadata: ModelMetadata,
    concurrency: int,
    kv_dtype: str = "auto",
    dtype: str = "auto",
    fragmentation_factor: float = 1.0,
) -> int:
    """Longest context in tokens, up to the model's own limit, that `concurrency` requests can have at once."""
    left = allocatable_bytes - weights_bytes - overhead_bytes
    pool = cache_pool(metadata, kv_dtype, dtype)
    blocks = pool.num_blocks(int(left / fragmentation_factor))
    return pool.largest_len(blocks, metadata.max_position_embeddings, concurrency)


def _sentence(fits: bool, headroom: float, wanted_gb: float, beyond_budget: float) -> str:
    if fits:
        return f"Fits, with {gib(headroom):.2f} GiB to spare."
    if beyond_budget > 0:
        return f"Does not fit: weights and overhead alone exceed the budget by {gib(beyond_budget):.2f} GiB."
    if headroom < 0:
        return f"Does not fit: the KV cache this workload needs is {gib(-headroom):.2f} GiB too large."
    return f"Does not fit: {gib(headroom):.2f} GiB stay spare, {wanted_gb:g} GiB were asked for."
