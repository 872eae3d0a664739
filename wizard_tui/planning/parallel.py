"""Which tensor parallel sizes a model can have, and why the others cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from wizard_tui.models.caches import AttentionCache, StateCache, layer_caches
from wizard_tui.models.config_keys import quantization_config
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.weights import padded_vocabulary

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
    """What linear.py, vocab_parallel_embedding.py and the fused experts of vLLM 0.33 refuse, one after the other."""
    text = metadata.text_config
    if metadata.num_attention_heads % tp:
        yield f"it does not divide the {metadata.num_attention_heads} attention heads"
    for heads in _key_value_heads(metadata):
        if heads % tp and tp % heads:
            yield f"the {heads} key-value heads can neither be split nor repeated evenly"
    for heads, name in _state_heads(metadata):
        if heads % tp:
            yield f"it does not divide the {heads} {name}"
    padded = padded_vocabulary(metadata.vocab_size)
    if padded % tp:
        yield f"it does not divide the vocabulary, padded to {padded:,}"
    block, group = _block_and_group(quantization_config(metadata.config, text))
    if metadata.intermediate_size and (not metadata.num_experts or text.get("first_k_dense_replace")):
        yield from _width_obstacles(metadata.intermediate_size, "the MLP width", tp, block, group)
    shared = _shared_width(metadata)
    if shared % tp:
        yield f"it does not divide the shared experts' width of {shared:,}"
    attention = metadata.num_attention_heads * metadata.head_dim
    if group and tp > 1 and (attention // tp) % group and "kv_lora_rank" not in text:
        yield f"{attention // tp} inputs of the attention output are no multiple of the quantisation group {group}"
    expert = _expert_width(metadata)
    if expert and not expert_parallel:
        # experts in four bits inside an fp8 checkpoint (DeepSeek-V4) know no such block
        block = 0 if text.get("expert_dtype") == "fp4" else block
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
            for cache in layer_caches(metadata)
            if isinstance(cache, AttentionCache) and cache.kind in ("full", "sliding", "chunked", "cross")
        }
    )


def _state_heads(metadata: ModelMetadata) -> Iterator[tuple[int, str]]:
    caches = (cache for cache in layer_caches(metadata) if isinstance(cache, StateCache))
    first = next(caches, None)
    if first is not None:
        rows = first.tensors[-1].rows
        yield rows, "channels of the convolution" if first.kind == "short_conv" else "heads of the recurrent layers"
    keys = metadata.text_config.get("linear_num_key_heads")
    if isinstance(keys, int):
        yield keys, "key heads of the recurrent layers"


def _shared_width(metadata: ModelMetadata) -> int:
    """Width of the experts that every token passes, which tensor parallel alone splits; 0 where there is none."""
    text = metadata.text_config
    for key in ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size"):
        if isinstance(width := text.get(key), int):
            return width
    count = text.get("n_shared_experts")
    return count * _expert_width(metadata) if isinstance(count, int) else 0


def _expert_width(metadata: ModelMetadata) -> int:
    return (metadata.moe_intermediate_size or metadata.intermediate_size or 0) if metadata.num_experts else 0


def _block_and_group(quantization: Mapping[str, Any] | None) -> tuple[int, int]:
    """Block of a block-quantised checkpoint and group of a weight-only one; 0 where there is none."""
    if quantization is None:
        return 0, 0
    blocks = quantization.get("weight_block_size")
    if isinstance(blocks, (list, tuple)) and blocks and isinstance(blocks[0], int):
        return blocks[0], 0
    group = quantization.get("group_size")
    if group is None and isinstance(schemes := quantization.get("config_groups"), Mapping):
        weights = [s.get("weights") for s in schemes.values() if isinstance(s, Mapping)]
        group = next((w.get("group_size") for w in weights if isinstance(w, Mapping)), None)
    return 0, group if isinstance(group, int) and group > 0 else 0
