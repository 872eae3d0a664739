"""What vLLM assumes when a flag is left out, by GPU and version."""

from __future__ import annotations

from wizard_tui.schemas.numbers import GIB


def default_batch_limits(
    *, total_bytes: int, gpu_name: str, compute_capability: tuple[int, int] | None, vllm_version: str
) -> tuple[int, int]:
    """(max_num_batched_tokens, max_num_seqs) of `vllm serve` (engine/arg_utils.py:get_batch_defaults)."""
    if total_bytes >= 160 * GIB:
        return 16384, 1024
    if total_bytes >= 70 * GIB and "a100" not in gpu_name.lower() and compute_capability != (12, 1):
        return 8192, 1024
    return 2048, 256
