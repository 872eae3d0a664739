"""What vLLM assumes when a flag is left out, by GPU and version."""

from __future__ import annotations

from wizard_tui.schemas.numbers import GIB


def default_batch_limits(
    *,
    total_bytes: int,
    gpu_name: str,
    compute_capability: tuple[int, int] | None,
    max_model_len: int,
    max_num_batched_tokens: int | None = None,
    max_num_seqs: int | None = None,
    performance_mode: str = "balanced",
) -> tuple[int, int]:
    """(max_num_batched_tokens, max_num_seqs) of `vllm serve`; a value that is given is kept
    (engine/arg_utils.py:get_batch_defaults and _set_default_max_num_seqs_and_batched_tokens_args).

    A default is limited to what can be used: no more tokens than all sequences have, no more sequences than tokens.
    """
    tokens, sequences = 2048, 256
    if total_bytes >= 160 * GIB:
        tokens, sequences = 16384, 1024
    elif total_bytes >= 70 * GIB and "a100" not in gpu_name.lower() and compute_capability != (12, 1):
        tokens, sequences = 8192, 1024
    if performance_mode == "throughput":
        tokens, sequences = 2 * tokens, 2 * sequences
    tokens = max_num_batched_tokens or min(tokens, (max_num_seqs or sequences) * max_model_len)
    return tokens, max_num_seqs or min(sequences, tokens)
