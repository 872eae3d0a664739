"""What vLLM assumes when a flag is left out, by GPU and version."""

from __future__ import annotations

from wizard_tui.engine.platforms import nvidia_generation
from wizard_tui.engine.versions import BatchDefaults, BatchLimits
from wizard_tui.schemas.numbers import GIB


def default_batch_limits(
    defaults: BatchDefaults,
    *,
    total_bytes: int,
    gpu_name: str,
    compute_capability: tuple[int, int] | None,
    max_model_len: int,
    max_num_batched_tokens: int | None = None,
    max_num_seqs: int | None = None,
    performance_mode: str = "balanced",
) -> BatchLimits:
    """The batch limits that `vllm serve` ends up with, where `defaults` are those of its version
    (engine/arg_utils.py:get_batch_defaults and _set_default_max_num_seqs_and_batched_tokens_args).

    A stated limit is kept. One that is left out is never more than can be used: no more tokens than all sequences have
    together, and no more sequences than tokens.
    """
    if total_bytes >= 160 * GIB:
        tokens, sequences = defaults.from_160_gib
    elif (
        total_bytes >= 70 * GIB
        and "a100" not in gpu_name.lower()
        and nvidia_generation(compute_capability).large_batches
    ):
        tokens, sequences = defaults.from_70_gib
    else:
        tokens, sequences = defaults.others
    if performance_mode == "throughput":
        tokens, sequences = 2 * tokens, 2 * sequences
    tokens = max_num_batched_tokens or min(tokens, (max_num_seqs or sequences) * max_model_len)
    return BatchLimits(tokens, max_num_seqs or min(sequences, tokens))
