"""The KV cache of hand-written layers, without a model: vLLM's own arithmetic on plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard_tui.engine.versions import NEWEST, rules_for
from wizard_tui.errors import Refusal
from wizard_tui.planning.memory.kv_cache import Limits
from wizard_tui.planning.memory.kv_groups import group_layers
from wizard_tui.planning.memory.kv_layers import KVLayout
from wizard_tui.planning.memory.kv_specs import LATENT, WINDOWED, AttentionSpec, LayerSpec, SpecKind, StateSpec

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
    `extra_retained_tokens`. Sizes are bytes. Raises Refusal for an unknown type or a missing entry, and where vLLM
    refuses the mix of layers.
    """
    try:
        rows = [_spec_of(row) for row in case["layers"] for _ in range(int(row.get("count", 1)))]
        length, available = int(case["max_model_len"]), int(case["available_kv_bytes"])
    except KeyError as missing:
        raise Refusal(f"the KV cache case lacks {missing}") from None
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
    cache = KVLayout.of(groups, limits, rules_for(NEWEST)).capacity(available, length)
    return {
        "groups": [
            {
                "spec": group.kind,
                "layers": group.layers,
                "block_size": group.block_size,
                "page_size_bytes": group.page_size_bytes,
            }
            for group in cache.groups
        ],
        "bytes_per_block": cache.bytes_per_block,
        "num_blocks": cache.num_blocks,
        "blocks_per_request": cache.blocks_per_request,
        "need_bytes": cache.bytes_per_request,
        "fits": cache.admitted,
        "estimated_max_model_len": cache.estimated_max_model_len,
        "kv_cache_size_tokens": cache.tokens,
        "max_concurrency": round(cache.max_concurrency, 4),
        "logged_concurrency": f"{cache.max_concurrency:.2f}x",
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
        raise Refusal(f"unknown layer type {kind!r}; known are {', '.join([*_KINDS, 'mamba'])}")
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
