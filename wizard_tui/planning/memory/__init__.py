"""Memory of one GPU: weights, KV cache, the rest, and whether vLLM starts with it."""

from wizard_tui.planning.memory.by_count import (
    compute_kv_cache_memory,
    compute_overhead,
    compute_weights_memory,
)
from wizard_tui.planning.memory.by_layers import plan_kv_cache
from wizard_tui.planning.memory.feasibility import (
    compute_feasibility,
    compute_max_concurrency_at_context,
    compute_max_context_at_concurrency,
)

__all__ = [
    "compute_feasibility",
    "compute_kv_cache_memory",
    "compute_max_concurrency_at_context",
    "compute_max_context_at_concurrency",
    "compute_overhead",
    "compute_weights_memory",
    "plan_kv_cache",
]
