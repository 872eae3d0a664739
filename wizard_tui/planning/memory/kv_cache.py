"""How many blocks, tokens and requests the KV cache holds: the arithmetic, free of any model.

Sources: vLLM 0.33 `v1/core/kv_cache_planning.py` (sizes, admission, estimate) and `v1/core/kv_cache_utils.py:
get_kv_cache_capacity` (tokens, concurrency). `plan_kv_cache` is the whole of it on plain data.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wizard_tui.planning.memory.kv_groups import Group, group_layers
from wizard_tui.planning.memory.kv_specs import (
    GROWS_WITH_LENGTH,
    LATENT,
    WINDOWED,
    AttentionSpec,
    LayerSpec,
    SpecKind,
    StateSpec,
)


@dataclass(frozen=True)
class Limits:
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


@dataclass(frozen=True)
class Demand:
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


@dataclass(frozen=True)
class BlockPool:
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
        """Blocks in so many bytes, vLLM's null block among them."""
        return max(0, available_bytes) // self.bytes_per_block if self.bytes_per_block else 1

    def blocks_per_request(self, length: int) -> int:
        """Blocks that one request of `length` tokens may need at once."""
        total = 0
        for times, group in self.demands:
            total += times * (group[0].blocks(length) if len(group) == 1 else max(d.blocks(length) for d in group))
        return total

    def largest_len(self, blocks: int, limit: int, requests: int = 1) -> int:
        """The longest length up to `limit` of which `requests` fit into `blocks`; 0 when not even one token does."""
        share = blocks // requests if requests else blocks
        if self.blocks_per_request(limit) <= share:
            return limit
        return bisect_right(range(1, limit), share, key=self.blocks_per_request)


_DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32", "fp8": "fp8", "u8": "uint8"}
_KINDS = {
    "full": SpecKind.FULL,
    "mla": SpecKind.MLA,
    "sliding": SpecKind.SLIDING,
    "sliding_mla": SpecKind.SLIDING_MLA,
    "chunked": SpecKind.CHUNKED,
    "cross": SpecKind.CROSS,
    "ring": SpecKind.RING,
}


def plan_kv_cache(case: Mapping[str, Any]) -> dict[str, Any]:
    """Plan the KV cache of hand-made layers, all of them on one GPU.

    `case` has `layers` (rows of `type` full, sliding, chunked, mla, sliding_mla, cross, ring or mamba, with `count`,
    `block_size` and what the type needs), `max_model_len` and `available_kv_bytes`; optional are
    `max_in_flight_tokens`, `hybrid_manager`, `mamba_cache_mode`, `max_num_encoder_input_tokens`, `dcp`, `layout` and
    `extra_retained_tokens`. Sizes are bytes. Raises ValueError for an unknown type or a missing entry, and where vLLM
    refuses the mix of layers.
    """
    try:
        rows = [_spec_of(row) for row in case["layers"] for _ in range(int(row.get("count", 1)))]
        length, available = int(case["max_model_len"]), int(case["available_kv_bytes"])
    except KeyError as missing:
        raise ValueError(f"the KV cache case lacks {missing}") from None
    limits = Limits(
        max_in_flight_tokens=int(case.get("max_in_flight_tokens", 0)),
        dcp=int(case.get("dcp", 1)),
        mamba_cache_mode=case.get("mamba_cache_mode", "none"),
        max_num_encoder_input_tokens=int(case.get("max_num_encoder_input_tokens", 0)),
        extra_retained_tokens=int(case.get("extra_retained_tokens", 0)),
    )
    groups = group_layers(
        dict(enumerate(rows)),
        hybrid_manager=bool(case.get("hybrid_manager", True)),
        layout=case.get("layout", "LBNHC"),
    )
    pool = BlockPool.of(groups, limits)
    num_blocks, per_request = pool.num_blocks(available), pool.blocks_per_request(length)
    usable = available - pool.bytes_per_block
    concurrency = num_blocks / per_request if per_request else 0.0
    return {
        "groups": [
            {
                "spec": group.kind,
                "layers": len(group.layers),
                "block_size": group.block_size,
                "page_size_bytes": group.page_size_bytes,
            }
            for group in groups
        ],
        "bytes_per_block": pool.bytes_per_block,
        "num_blocks": num_blocks,
        "blocks_per_request": per_request,
        "need_bytes": pool.bytes_per_block * per_request,
        "fits": usable > 0 and pool.bytes_per_block * per_request <= usable,
        "estimated_max_model_len": pool.largest_len(num_blocks - 1, length),
        "kv_cache_size_tokens": int(concurrency * length),
        "max_concurrency": round(concurrency, 4),
        "logged_concurrency": f"{concurrency:.2f}x",
    }


def _spec_of(row: Mapping[str, Any]) -> LayerSpec:
    kind, block = row["type"], int(row["block_size"])
    if kind == "mamba":
        return StateSpec(
            block_size=block,
            shapes=tuple(tuple(shape) for shape in row["shapes"]),
            dtypes=tuple(_dtype(name) for name in row["dtypes"]),
            speculative_blocks=int(row.get("num_speculative_blocks", 0)),
            checkpoint_blocks=int(row.get("num_prefill_checkpoint_blocks", 0)),
            padded=row.get("page_size_padded"),
        )
    if kind not in _KINDS:
        raise ValueError(f"unknown layer type {kind!r}; known are {', '.join([*_KINDS, 'mamba'])}")
    spec_kind = _KINDS[kind]
    head_size = int(row["head_size"])
    return AttentionSpec(
        kind=spec_kind,
        block_size=block,
        num_kv_heads=int(row["num_kv_heads"]),
        head_size=head_size,
        head_size_v=0 if spec_kind in LATENT else int(row.get("head_size_v") or head_size),
        dtype=_dtype(row["dtype"]),
        window=_window(row, spec_kind),
        state_bytes=row.get("state_content_bytes"),
        head_slots=row.get("num_head_slots"),
        tokens_per_state=int(row.get("tokens_per_state", 1)),
        alignment=row.get("alignment"),
        padded=row.get("page_size_padded"),
    )


def _window(row: Mapping[str, Any], kind: SpecKind) -> int | None:
    if kind in WINDOWED:
        return int(row["window"])
    return int(row["chunk"]) if kind is SpecKind.CHUNKED else row.get("window") or row.get("chunk")


def _dtype(name: str) -> str:
    return _DTYPES.get(name, name)
