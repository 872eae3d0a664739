"""Which tensor parallel sizes a model can have, and why the others cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from wizard_tui.models.layers import AttentionCache, StateCache, attention_layers
from wizard_tui.models.metadata import ModelMetadata

VOCABULARY_PADDING = 64
"""vLLM rounds the vocabulary up to a multiple of this (vocab_parallel_embedding.py)."""
_LISTED_UP_TO = 64


@lru_cache(maxsize=1024)
def legal_tensor_parallel_sizes(
    metadata: ModelMetadata, up_to: int, *, dp: int = 1, expert_parallel: bool = False
) -> tuple[int, ...]:
    """Every tensor parallel size from 1 to `up_to` that vLLM can split the model into."""
    sizes = range(1, up_to + 1)
    return tuple(tp for tp in sizes if _obstacle(metadata, tp, dp, expert_parallel) is None)


@lru_cache(maxsize=1024)
def why_not(metadata: ModelMetadata, tp: int, *, pp: int = 1, dp: int = 1, expert_parallel: bool = False) -> str | None:
    """One sentence why the model cannot be spread so, with the sizes that work; None when it can.

    `dp` counts because the experts of a mixture are split over tensor and data parallel together, unless
    `expert_parallel` keeps them whole.
    """
    if min(tp, pp, dp) < 1:
        return "parallel sizes are whole numbers from 1 on"
    if pp > metadata.num_hidden_layers:
        return f"{pp} pipeline stages are more than the {metadata.num_hidden_layers} layers of the model"
    if expert_parallel and not metadata.num_experts:
        return "expert parallel needs a mixture of experts, which the model is not"
    reason = _obstacle(metadata, tp, dp, expert_parallel)
    if reason is None:
        return None
    legal = legal_tensor_parallel_sizes(metadata, max(_LISTED_UP_TO, tp), dp=dp, expert_parallel=expert_parallel)
    return f"tensor parallel {tp} cannot be: {reason}; possible are {', '.join(map(str, legal)) or 'none'}"


def _obstacle(metadata: ModelMetadata, tp: int, dp: int, expert_parallel: bool) -> str | None:
    if tp == 1 and dp == 1:
        return None
    return next(_obstacles(metadata, tp, dp, expert_parallel), None)


def _obstacles(metadata: ModelMetadata, tp: int, dp: int, expert_parallel: bool) -> Iterator[str]:
    """The rules of linear.py, vocab_parallel_embedding.py and fused_moe/layer.py in vLLM 0.33, in the order of loading."""
    text = metadata.text_config
    if metadata.num_attention_heads % tp:
        yield f"it does not divide the {metadata.num_attention_heads} attention heads"
    for heads in _key_value_heads(metadata):
        if heads % tp and tp % heads:
            yield f"the {heads} key-value heads can neither be split nor repeated evenly"
    for heads, name in _state_heads(metadata):
        if heads % tp:
            yield f"it does not divide the {heads} {name}"
    padded = -(-metadata.vocab_size // VOCABULARY_PADDING) * VOCABULARY_PADDING
    if padded % tp:
        yield f"it does not divide the vocabulary, padded to {padded:,}"
    block, group = _block_and_group(metadata.config)
    for width, name in _dense_widths(metadata, text):
        yield from _width_obstacles(width, name, tp, block, group)
    attention = metadata.num_attention_heads * metadata.head_dim
    if group and tp > 1 and (attention // tp) % group and "kv_lora_rank" not in text:
        yield f"{attention // tp} inputs of the attention output are no multiple of the quantisation group {group}"
    expert = _expert_width(metadata)
    if expert and not expert_parallel:
        yield from _width_obstacles(expert, "an expert's width", tp * dp, block, group)


def _width_obstacles(width: int, name: str, parts: int, block: int, group: int) -> Iterator[str]:
    if width % parts:
        yield f"{parts} does not divide {name} of {width:,}"
    elif parts > 1 and block and (width // parts) % block:
        yield f"{width // parts} of {name} is no multiple of the fp8 block {block}"
    elif parts > 1 and group and (width // parts) % group:
        yield f"{width // parts} of {name} is no multiple of the quantisation group {group}"


def _key_value_heads(metadata: ModelMetadata) -> list[int]:
    """Numbers of key-value heads; latent attention has none to split."""
    return sorted(
        {
            cache.kv_heads
            for cache in attention_layers(metadata)
            if isinstance(cache, AttentionCache) and cache.kind in ("full", "sliding", "chunked", "cross")
        }
    )


def _state_heads(metadata: ModelMetadata) -> Iterator[tuple[int, str]]:
    caches = (cache for cache in attention_layers(metadata) if isinstance(cache, StateCache))
    first = next(caches, None)
    if first is not None:
        rows = first.tensors[-1].rows
        yield rows, "channels of the convolution" if first.kind == "short_conv" else "heads of the recurrent layers"
    keys = metadata.text_config.get("linear_num_key_heads")
    if isinstance(keys, int):
        yield keys, "key heads of the recurrent layers"


def _dense_widths(metadata: ModelMetadata, text: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """Widths of MLPs that tensor parallel alone splits: those of a dense model, dense first layers, shared experts."""
    if metadata.intermediate_size and (not metadata.num_experts or text.get("first_k_dense_replace")):
        yield metadata.intermediate_size, "the MLP width"
    shared = text.get("shared_expert_intermediate_size") or text.get("moe_shared_expert_intermediate_size")
    if isinstance(shared, int) and shared:
        yield shared, "the shared expert's width"


def _expert_width(metadata: ModelMetadata) -> int:
    return (metadata.moe_intermediate_size or metadata.intermediate_size or 0) if metadata.num_experts else 0


def _block_and_group(config: Mapping[str, Any]) -> tuple[int, int]:
    """Block of a block-quantised checkpoint and group of a weight-only one; 0 where there is none."""
    quantization = config.get("quantization_config")
    if not isinstance(quantization, Mapping):
        return 0, 0
    blocks = quantization.get("weight_block_size")
    if isinstance(blocks, (list, tuple)) and blocks and isinstance(blocks[0], int):
        return blocks[0], 0
    group = quantization.get("group_size")
    if group is None and isinstance(schemes := quantization.get("config_groups"), Mapping):
        weights = [s.get("weights") for s in schemes.values() if isinstance(s, Mapping)]
        group = next((w.get("group_size") for w in weights if isinstance(w, Mapping)), None)
    return 0, group if isinstance(group, int) and group > 0 else 0
