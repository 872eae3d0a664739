"""Which layers a pipeline stage holds (vLLM's distributed/utils.py:get_pp_indices)."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=256)
def stages(layers: int, pp: int) -> tuple[range, ...]:
    """The layers of each of `pp` stages; left-over layers go to the stages before the last, from the back."""
    counts = [layers // pp] * pp
    for extra in range(layers % pp):
        counts[-(2 + extra) % pp] += 1
    starts = [sum(counts[:stage]) for stage in range(pp)]
    return tuple(range(start, start + count) for start, count in zip(starts, counts, strict=True))


def stage_of(layer: int, layers: int, pp: int) -> int:
    """The stage of a layer; one beyond the model's own, such as a draft's, is on the last."""
    return next((stage for stage, held in enumerate(stages(layers, pp)) if layer in held), pp - 1)
