"""Curves of a plan: the times with more users, and the requests that fit as they get longer."""

from __future__ import annotations

from dataclasses import dataclass

from wizard_tui.planning.decision import Decision
from wizard_tui.planning.speed import curve

SHORTEST = 256


@dataclass(frozen=True)
class Curves:
    """`clients`, `ttft_ms` and `tpot_ms` belong together point by point, as do `context_tokens` and `at_once`.

    `clients` doubles from 1 to twice what runs at once, `context_tokens` from 256 to max_model_len; `at_once` counts
    the requests of that length that fit into the cache of all replicas.
    """

    clients: tuple[int, ...]
    ttft_ms: tuple[float, ...]
    tpot_ms: tuple[float, ...]
    context_tokens: tuple[int, ...]
    at_once: tuple[float, ...]


def curves(decision: Decision) -> Curves:
    """Both curves of a plan, by the median."""
    memory = decision.estimate
    points = curve(decision)
    longest = memory.settings.max_model_len
    lengths = [SHORTEST << power for power in range(longest.bit_length()) if SHORTEST << power < longest] + [longest]
    room, replicas = max(0, memory.kv_available), memory.settings.layout.dp
    limit = memory.settings.max_num_seqs
    return Curves(
        clients=tuple(clients for clients, _ in points),
        ttft_ms=tuple(point.ttft_ms for _, point in points),
        tpot_ms=tuple(point.tpot_ms for _, point in points),
        context_tokens=tuple(lengths),
        at_once=tuple(replicas * min(limit, memory.layout.max_concurrency(room, length)) for length in lengths),
    )
