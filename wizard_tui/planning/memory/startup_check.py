"""What would stop vLLM at start-up, in its own words and by how much."""

from __future__ import annotations

from typing import NamedTuple

from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.memory.kv_layers import KVCache
from wizard_tui.schemas.numbers import gib


class StartFailure(NamedTuple):
    """A start that fails: which check (`free`, `weights`, `cache`, `length`), and our sentence."""

    kind: str
    sentence: str


def startup_failure(
    *,
    gpu: GPU,
    budget: int,
    weights_bytes: int,
    kv_available: int,
    cache: KVCache,
    max_model_len: int,
) -> StartFailure | None:
    """The first check of vLLM's start that fails, None when it comes up. Sizes are bytes of one GPU.

    In vLLM's order: v1/worker/utils.py:request_memory, loading, and v1/core/kv_cache_planning.py, which keeps one block
    back (_check_enough_kv_cache_memory).
    """
    free = gpu.total_bytes - gpu.used_bytes
    if free < budget:
        return StartFailure(
            "free",
            f"free memory on the GPU ({gib(free):.2f}/{gib(gpu.total_bytes):.2f} GiB) is less than desired GPU memory "
            f"utilization ({gib(budget):.2f} GiB)",
        )
    if weights_bytes > free:
        return StartFailure(
            "weights",
            f"the weights take {gib(weights_bytes):.2f} GiB a GPU and {gib(free):.2f} are free: CUDA out of memory",
        )
    usable = kv_available - cache.bytes_per_block
    if usable <= 0:
        return StartFailure(
            "cache",
            f"no available memory for the cache blocks: weights and overhead exceed the budget of "
            f"{gib(budget):.2f} GiB by {gib(-usable):.2f}",
        )
    if not cache.admitted:
        return StartFailure(
            "length",
            f"one request of {max_model_len:,} tokens needs {gib(cache.bytes_per_request):.2f} GiB of KV cache and "
            f"{gib(usable):.2f} are available; the estimated maximum is {cache.estimated_max_model_len:,} tokens",
        )
    return None
