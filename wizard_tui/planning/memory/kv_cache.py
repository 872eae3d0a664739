"""How many blocks, tokens and requests the KV cache holds: the arithmetic, free of any model.

Sources: vLLM 0.33 `v1/core/kv_cache_planning.py` (sizes, admission, estimate) and `v1/core/kv_cache_utils.py:
get_kv_cache_capacity` (tokens, concurrency).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from wizard_tui.planning.memory.kv_groups import Group
from wizard_tui.planning.memory.kv_specs import (
    GROWS_WITH_LENGTH,
    WINDOWED,
    LayerSpec,
    SpecKind,
    StateSpec,
)


class Limits(NamedTuple):
    """What bounds a request's blocks besides its length.

    `max_in_flight_tokens` are tokens scheduled and not yet settled, `dcp` is the decode context parallel size,
    `mamba_cache_mode` is `none`, `align` or `all`, `extra_retained_tokens` is what multi-module MTP keeps beyond a
    sliding window.
    """

    max_in_flight_tokens: int
    dcp: int = 1
    mamba_cache_mode: str = "none"
    max_num_encoder_input_tokens: int = 0
    extra_retained_tokens: int = 0


class Demand(NamedTuple):
    """Blocks one request takes from a group: `ceil(min(ceil(length / shards), cap) / block_size) + extra`."""

    block_size: int
    cap: int | None = None
    extra: int = 0
    shards: int = 1

    def blocks(self, length: int) -> int:
        """Blocks for a request of `length` tokens."""
        tokens = -(-length // self.shards)
        if self.cap is not None and tokens > self.cap:
            tokens = self.cap
        return -(-tokens // self.block_size) + self.extra

    def longest(self, blocks: int) -> float:
        """The longest request that takes no more than `blocks`; infinite where a window bounds its blocks."""
        room = (blocks - self.extra) * self.block_size
        return math.inf if self.cap is not None and room >= self.cap else max(0, room) * self.shards


def demand_of(spec: LayerSpec, limits: Limits) -> Demand:
    """The demand of one layer (the `max_memory_usage_bytes` of vLLM's specs, in pages)."""
    if isinstance(spec, StateSpec):
        if limits.mamba_cache_mode == "all":
            return Demand(spec.block_size, extra=spec.speculative_blocks)
        aligned = limits.mamba_cache_mode == "align"
        states = 2 + spec.checkpoint_blocks if aligned else 1
        return Demand(1, cap=0, extra=states + spec.speculative_blocks)
    in_flight = limits.max_in_flight_tokens
    if spec.kind in GROWS_WITH_LENGTH:
        return Demand(spec.block_size, shards=limits.dcp)
    if spec.kind in WINDOWED and spec.window is not None:
        # one block more, because the window need not begin at the start of a block
        return Demand(spec.block_size, cap=spec.window - 1 + limits.extra_retained_tokens + in_flight, extra=1)
    if spec.kind is SpecKind.CHUNKED and spec.window is not None:
        return Demand(spec.block_size, cap=spec.window + in_flight)
    if spec.kind is SpecKind.CROSS:
        return Demand(1, cap=0, extra=-(-limits.max_num_encoder_input_tokens // spec.block_size))
    return Demand(1, cap=0, extra=1)


class BlockPool(NamedTuple):
    """Blocks of one size that all groups draw from.

    `demands` holds, for every different kind of group, how many groups there are and the demands of their layers; a
    group takes the largest of its layers' demands.
    """

    bytes_per_block: int
    demands: tuple[tuple[int, tuple[Demand, ...]], ...]

    @classmethod
    def of(cls, groups: Sequence[Group], limits: Limits, bytes_per_block: int | None = None) -> BlockPool:
        """The pool of these groups; groups overlay one another, so a block is as wide as the widest."""
        demands = Counter(
            tuple(sorted({demand_of(spec, limits) for spec in set(group.specs)}, key=repr)) for group in groups
        )
        widest = max((group.bytes_per_block for group in groups), default=0)
        return cls(widest if bytes_per_block is None else bytes_per_block, tuple((n, d) for d, n in demands.items()))

    def num_blocks(self, available_bytes: int) -> int:
        """Blocks that these bytes hold, vLLM's null block among them."""
        return max(0, available_bytes) // self.bytes_per_block if self.bytes_per_block else 1

    def blocks_per_request(self, length: int) -> int:
        """Blocks that one request of `length` tokens may need at once."""
        total = 0
        for times, group in self.demands:
            total += times * (group[0].blocks(length) if len(group) == 1 else max(d.blocks(length) for d in group))
        return total

    def largest_len(self, blocks: int, limit: int, requests: int = 1) -> int:
        """The longest length up to `limit` at which `requests` fit into `blocks`; 0 when not even one token does."""
        share = blocks // requests if requests else blocks
        # each group alone bounds the length; with a single group that is the answer
        alone = (demand.longest(share // times) for times, group in self.demands for demand in group)
        longest = int(min(limit, *alone)) if self.demands else limit
        if self.blocks_per_request(longest) <= share:
            return longest
        return bisect_right(range(1, longest), share, key=self.blocks_per_request)
