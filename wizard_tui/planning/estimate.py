"""The memory of one GPU for one set of decided settings: weights, the rest, the cache, and whether vLLM would start."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

from wizard_tui.hardware.gpu import GPU
from wizard_tui.hardware.observed import Correction
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.kv_layers import KVCache, KVLayout, kv_layout_of
from wizard_tui.planning.memory.overhead import Overhead, overhead_of
from wizard_tui.planning.memory.startup_check import StartFailure, startup_failure
from wizard_tui.planning.memory.weights import Weights, weights_of
from wizard_tui.planning.settings import Settings
from wizard_tui.schemas.inputs import PolicyInput, WorkloadInput
from wizard_tui.schemas.numbers import GIB

NOTHING_OBSERVED = Correction()
MOST_REQUESTS = 1 << 20
"""The most requests counted in one replica; a request cannot ask for more."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes on the fullest rank, and the KV cache that they leave room for.

    `kv_available` may be negative: then the rest alone exceeds the budget. `kv_low` and `kv_high` are its 80 % band.
    `failure` is what would stop vLLM at start-up; None when it starts.
    """

    settings: Settings
    gpu: GPU
    weights: Weights
    overhead: Overhead
    budget: int
    kv_available: int
    kv_low: int
    kv_high: int
    kv_needed: int
    layout: KVLayout
    cache: KVCache
    failure: StartFailure | None
    headroom_wanted: int = 0
    observed: Correction = NOTHING_OBSERVED

    @property
    def headroom(self) -> int:
        """KV cache left beside what the workload needs, in bytes; negative when it is short."""
        return self.kv_available - self.kv_needed

    @property
    def starts(self) -> bool:
        """vLLM would come up."""
        return self.failure is None

    @cached_property
    def fits(self) -> bool:
        """vLLM would come up, and the whole workload finds room in the cache at once."""
        return self.starts and self.headroom >= self.headroom_wanted

    @cached_property
    def tight(self) -> bool:
        """It fits by the expected numbers, but not at the pessimistic end of the band."""
        return self.fits and self.spare_at_worst < 0

    @property
    def spare_at_worst(self) -> int:
        """KV cache left at the pessimistic end of the band, in bytes, beside the workload or one request of full
        length, whichever is more: vLLM refuses to start without the latter and its one reserved block."""
        return self.kv_low - max(self.kv_needed, self.cache.bytes_per_request + self.cache.bytes_per_block)


def estimate(
    settings: Settings,
    metadata: ModelMetadata,
    gpu: GPU,
    workload: WorkloadInput,
    policy: PolicyInput,
    observed: Correction = NOTHING_OBSERVED,
) -> MemoryEstimate:
    """Memory of one GPU under `settings`, corrected by what this machine has shown. Arithmetic on cached tables."""
    weights = weights_of(metadata, gpu, settings)
    overhead = _overhead(metadata, gpu, settings, policy, weights.after_loading + observed.more_bytes)
    layout = kv_layout_of(metadata, gpu, settings)
    budget = math.ceil(gpu.total_bytes * settings.gpu_memory_utilization)
    rest = weights.bytes + overhead.budgeted
    if settings.kv_cache_memory_bytes is not None:
        # vLLM then skips profiling and hands out exactly these bytes (gpu_worker.py:determine_available_memory)
        available = low = high = settings.kv_cache_memory_bytes
        budget = rest + available
    else:
        available = budget - rest
        spread = int(weights.bytes * weights.relative_error)
        low = available - (overhead.high - overhead.budgeted) - spread
        high = available + (overhead.budgeted - overhead.low) + spread
    cache = layout.capacity(max(0, available), settings.max_model_len)
    return MemoryEstimate(
        settings=settings,
        gpu=gpu,
        weights=weights,
        overhead=overhead,
        budget=budget,
        kv_available=available,
        kv_low=low,
        kv_high=high,
        kv_needed=kv_needed_bytes(layout, settings, workload, policy),
        layout=layout,
        cache=cache,
        failure=startup_failure(
            gpu=gpu,
            budget=budget,
            weights_bytes=weights.bytes,
            kv_available=available,
            cache=cache,
            max_model_len=settings.max_model_len,
        ),
        headroom_wanted=int(policy.headroom_gb * GIB),
        observed=observed if policy.overhead_gb is None else NOTHING_OBSERVED,
    )


def kv_needed_bytes(layout: KVLayout, settings: Settings, workload: WorkloadInput, policy: PolicyInput) -> int:
    """KV cache bytes of one replica when its share of the workload's requests is in flight, full length each.

    With prefix caching the blocks of a shared prefix exist once.
    """
    first, further = _request_bytes(layout, settings, workload)
    others = -(-workload.concurrency // settings.layout.dp) - 1
    return int((first + others * further) * policy.fragmentation_factor)


def requests_that_fit(memory: MemoryEstimate, workload: WorkloadInput, policy: PolicyInput) -> int:
    """How many of the workload's requests fit at once into the caches of all replicas together, counted as
    `kv_needed_bytes` counts them: the most for which the plan still fits. max_num_seqs may let in fewer at a time."""
    if not memory.starts:
        return 0
    first, further = _request_bytes(memory.layout, memory.settings, workload)
    factor, room = policy.fragmentation_factor, memory.kv_available - memory.headroom_wanted
    # a request of no bytes never fills the cache
    each = bisect_right(range(MOST_REQUESTS), room, key=lambda others: int((first + others * further) * factor))
    return each * memory.settings.layout.dp


def _request_bytes(layout: KVLayout, settings: Settings, workload: WorkloadInput) -> tuple[int, int]:
    """Bytes of the first request of the workload's length, and of each further one beside it."""
    length = min(workload.prompt_tokens + workload.gen_tokens, settings.max_model_len)
    first = layout.request_bytes(length)
    shared = min(workload.shared_prefix_tokens, workload.prompt_tokens)
    if not settings.enable_prefix_caching or shared <= 1:
        return first, first
    return first, min(first, layout.request_bytes(max(1, length - shared)))


def _overhead(metadata: ModelMetadata, gpu: GPU, settings: Settings, policy: PolicyInput, further: int) -> Overhead:
    found = overhead_of(metadata, gpu, settings)
    if policy.overhead_gb is None:
        return found._replace(
            non_torch=found.non_torch + further,
            low=found.low + further,
            high=found.high + further,
        )
    fixed = int(policy.overhead_gb * GIB)
    return found._replace(activation_peak=0, cuda_graphs=0, non_torch=fixed, low=fixed, high=fixed)
