"""Which tensor parallel sizes a model can have, and why the others cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from wizard_tui.models.caches import (
    AttentionCache,
    StateCache,
    attention_output_width,
    layer_caches,
    recurrent_key_heads,
)
from wizard_tui.models.feed_forward import dense_width, expert_width, shared_expert_width
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.quantized import grain
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
    """One sentence on why the model cannot be split this way, with the sizes that work; None when it can.

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
    """Each split that linear.py, vocab_parallel_embedding.py and the fused experts of vLLM 0.33 refuse."""
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
    block, expert_block, group = grain(metadata)
    if dense := dense_width(metadata):
        yield from _width_obstacles(dense, "the MLP width", tp, block, group)
    shared = shared_expert_width(metadata)
    if shared % tp:
        yield f"it does not divide the shared experts' width of {shared:,}"
    attention = attention_output_width(metadata)
    if group and tp > 1 and (attention // tp) % group:
        yield f"{attention // tp} inputs of the attention output are no multiple of the quantisation group {group}"
    expert = expert_width(metadata)
    if expert and not expert_parallel:
        yield from _width_obstacles(expert, "an expert's width", tp * dp, expert_block, group)


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
    if (keys := recurrent_key_heads(metadata)) is not None:
        yield keys, "key heads of the recurrent layers"
