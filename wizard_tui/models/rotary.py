"""Tables of rotary angles: how many positions by how many angles each layer kind reads.

vLLM makes one table for each distinct rope configuration and shares it between layers
(vllm/model_executor/layers/rotary_embedding/__init__.py:get_rope); a table counts as weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from wizard_tui.errors import Refusal
from wizard_tui.models.caches import layer_kinds
from wizard_tui.models.config_shapes import whole
from wizard_tui.models.metadata import ModelMetadata

# scalings whose table reaches as far as the scaled length, counted from the model's own maximum ...
_STRETCHED = frozenset({"linear", "dynamic"})
# ... and those that count it from the length before scaling
_STRETCHED_FROM_ORIGINAL = frozenset({"yarn", "deepseek_yarn", "deepseek_llama_scaling"})
_TWO_TABLES = frozenset({"longrope", "su"})


@lru_cache(maxsize=256)
def table_bytes(metadata: ModelMetadata) -> int:
    """Bytes of all tables of rotary angles of a model.

    Raises Refusal when the config lacks what they need.
    """
    if metadata.family.no_rotary:
        return 0
    try:
        angles = sum(positions * width for positions, width in _tables(metadata))
    except (KeyError, TypeError):
        raise Refusal(f"config.json of {metadata.model_id} lacks the width of its rotary positions") from None
    return angles * (4 if metadata.family.float32_rotary else 2)


def _tables(metadata: ModelMetadata) -> Iterator[tuple[int, int]]:
    text, longest = metadata.text_config, metadata.max_position_embeddings
    if text.get("mla_use_nope"):
        return
    if ratios := text.get("compress_ratios"):
        # DeepSeek-V4 has one table for layers that compress and one for those that do not
        for _ in {ratio > 1 for ratio in ratios[: metadata.num_hidden_layers]}:
            yield longest, int(text["qk_rope_head_dim"])
        return
    stated = text.get("rope_parameters") or text.get("rope_scaling") or {}
    stated = stated if isinstance(stated, Mapping) else {}
    by_kind = {kind: rope for kind, rope in stated.items() if isinstance(rope, Mapping)}
    if by_kind:
        for kind, rope in by_kind.items():
            yield _positions(metadata, rope), _width(metadata, rope, kind)
        return
    yield _positions(metadata, stated), _width(metadata, stated, "")
    if _has_its_own_local_rope(metadata) and "sliding" in layer_kinds(metadata):
        yield longest, _width(metadata, {}, "sliding_attention")
    if "index_head_dim" in text and _stretch(stated) in _STRETCHED_FROM_ORIGINAL:
        # the indexer rotates halves instead of pairs, which needs its own table (models/deepseek_v2.py)
        yield _positions(metadata, stated), int(text["qk_rope_head_dim"])


def _has_its_own_local_rope(metadata: ModelMetadata) -> bool:
    """Whether layers with a window rotate by different angles from the others."""
    text = metadata.text_config
    if metadata.family.stretches_full_layers_alone and text.get("rope_scaling"):
        return True
    return any(text.get(key) for key in ("rope_local_base_freq", "swa_rope_theta"))


def _stretch(rope: Mapping[str, Any]) -> str:
    return str(rope.get("rope_type") or rope.get("type") or "default")


def _positions(metadata: ModelMetadata, rope: Mapping[str, Any]) -> int:
    kind, longest = _stretch(rope), _own_length(metadata)
    factor, original = rope.get("factor"), rope.get("original_max_position_embeddings")
    original = original or metadata.text_config.get("original_max_position_embeddings")
    if kind in _STRETCHED and factor:
        return int(longest * float(factor))
    if kind in _STRETCHED_FROM_ORIGINAL and factor and original:
        return int(int(original) * float(factor))
    if kind in _TWO_TABLES and original:
        return longest + int(original)
    return longest


def _own_length(metadata: ModelMetadata) -> int:
    return whole(metadata.text_config.get("max_position_embeddings"), 1) or metadata.max_position_embeddings


def _width(metadata: ModelMetadata, rope: Mapping[str, Any], kind: str) -> int:
    text = metadata.text_config
    if width := text.get("qk_rope_head_dim") or text.get("rotary_dim"):
        return int(width)
    head = metadata.head_dim
    if kind == "full_attention":
        head = int(text.get("global_head_dim") or head)
    share = rope.get("partial_rotary_factor") or text.get("partial_rotary_factor") or text.get("rotary_pct") or 1
    # proportional angles are made for the whole head; those that do not rotate are zeros
    return head if _stretch(rope) == "proportional" else int(head * float(share))
