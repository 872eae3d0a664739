"""Tensors of a layer's token mixer: attention of all kinds, and recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from wizard_tui.models.caches import AttentionCache, LayerCache, StateCache, is_latent, layer_caches, layer_kinds
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensor import Tensor

PART = "attention"


class Mixer(NamedTuple):
    """What decides the tensors of a layer's mixer: its kind (as in `layer_kinds`), what it keeps in the cache (without
    the layer's number), and DeepSeek-V4's compression."""

    kind: str
    caches: tuple[LayerCache, ...]
    ratio: int | None = None


def kinds(metadata: ModelMetadata) -> Iterator[Mixer]:
    """The mixer of every layer; most are equal."""
    caches: dict[int, tuple[LayerCache, ...]] = {}
    for cache in layer_caches(metadata):
        caches[cache.layer] = (*caches.get(cache.layer, ()), cache._replace(layer=0))
    ratios = metadata.text_config.get("compress_ratios")
    for number, kind in enumerate(layer_kinds(metadata)):
        yield Mixer(kind, caches.get(number, ()), None if ratios is None else ratios[number])


def tensors(metadata: ModelMetadata, mixer: Mixer) -> tuple[Tensor, ...]:
    """The tensors of a layer besides its feed-forward part; none where it has no mixer."""
    kind, caches, ratio = mixer
    if kind == "none":
        return ()
    found: list[Tensor] = []
    if is_latent(metadata) and kind != "state":
        found.extend(_latent(metadata, indexed=any(_is_index(cache) for cache in caches)))
    elif ratio is not None:
        found.extend(_compressed(metadata, ratio))
    elif kind != "state":
        attention = next((cache for cache in caches if isinstance(cache, AttentionCache)), None)
        found.extend(_attention(metadata, kind, attention))
        sparse = metadata.text_config.get("sparse_attention_config")
        if isinstance(sparse, Mapping) and any(_is_index(cache) for cache in caches):
            found.extend(_sparse_index(metadata, sparse))
    if kind in ("state", "both"):
        found.extend(_STATES[state.kind](metadata, state) if (state := _state_of(caches)) is not None else ())
    return tuple(found)


def _is_index(cache: LayerCache) -> bool:
    return isinstance(cache, AttentionCache) and cache.kind == "index"


def _state_of(caches: tuple[LayerCache, ...]) -> StateCache | None:
    return next((cache for cache in caches if isinstance(cache, StateCache)), None)


def _attention(metadata: ModelMetadata, kind: str, cache: AttentionCache | None) -> Iterator[Tensor]:
    text, hidden = metadata.text_config, metadata.hidden_size
    heads = metadata.num_attention_heads
    if kind == "sliding":
        other = text.get("attention_other_setting")
        stated = other.get("num_attention_heads") if isinstance(other, Mapping) else None
        heads = int(text.get("swa_num_attention_heads") or stated or heads)
    width = cache.head_dim if cache else metadata.head_dim
    out_width = cache.v_head_dim if cache else metadata.head_dim
    gates = 2 if metadata.family.gated_attention else 1
    yield Tensor("self_attn.q_proj", PART, heads * width * gates, hidden, "column", linear=True)
    if cache is not None:
        # a layer without its own cache reads the keys and values of an earlier one
        pieces = cache.kv_heads
        yield Tensor("self_attn.k_proj", PART, pieces * width, hidden, "heads", linear=True, heads=pieces)
        # where the values are the keys, both are held nevertheless
        same = bool(text.get("attention_k_eq_v")) and kind == "full"
        rows = pieces * out_width
        yield Tensor("self_attn.v_proj", PART, rows, hidden, "heads", linear=True, heads=pieces, copied=same)
    yield Tensor("self_attn.o_proj", PART, hidden, heads * out_width, "row", linear=True)


def _sparse_index(metadata: ModelMetadata, sparse: Mapping[str, Any]) -> Iterator[Tensor]:
    """MiniMax-M3: few heads choose the blocks that attention reads."""
    heads, width, hidden = sparse["sparse_num_index_heads"], sparse["sparse_index_dim"], metadata.hidden_size
    yield Tensor("self_attn.index_q_proj", PART, heads * width, hidden, "heads", linear=True, heads=heads)
    yield Tensor("self_attn.index_k_proj", PART, width, hidden, linear=True)


def _latent(metadata: ModelMetadata, *, indexed: bool) -> Iterator[Tensor]:
    text, hidden, heads = metadata.text_config, metadata.hidden_size, metadata.num_attention_heads
    rank, rope = text["kv_lora_rank"], text["qk_rope_head_dim"]
    nope, value = text["qk_nope_head_dim"], text["v_head_dim"]
    q_rank = text.get("q_lora_rank")
    if q_rank:
        yield Tensor("self_attn.q_a_proj", PART, q_rank, hidden, linear=True)
        yield Tensor("self_attn.q_b_proj", PART, heads * (nope + rope), q_rank, "column", linear=True)
    else:
        yield Tensor("self_attn.q_proj", PART, heads * (nope + rope), hidden, "column", linear=True)
    yield Tensor("self_attn.kv_a_proj_with_mqa", PART, rank + rope, hidden, linear=True)
    yield Tensor("self_attn.kv_b_proj", PART, heads * (nope + value), rank, "column", linear=True, absorbed=True)
    yield Tensor("self_attn.o_proj", PART, hidden, heads * value, "row", linear=True)
    if text.get("mla_use_output_gate"):
        yield Tensor("self_attn.g_proj", PART, heads * value, hidden, "column", linear=True)
    if indexed and q_rank:
        index_heads, width = text["index_n_heads"], text["index_head_dim"]
        yield Tensor("self_attn.indexer.wq_b", PART, index_heads * width, q_rank, linear=True)
        # kept in the model's precision even where the checkpoint is fp8
        yield Tensor("self_attn.indexer.wk_weights_proj", PART, width + index_heads, hidden)


def _compressed(metadata: ModelMetadata, ratio: int) -> Iterator[Tensor]:
    """DeepSeek-V4: queries and output of low rank, one shared key-value head, and compressors by ratio."""
    text, hidden, heads = metadata.text_config, metadata.hidden_size, metadata.num_attention_heads
    width = metadata.head_dim
    q_rank, o_rank, groups = text["q_lora_rank"], text["o_lora_rank"], text["o_groups"]
    if copies := int(text.get("hc_mult") or 0):
        # hyper-connections: what mixes the copies of the residual stream, before attention and before the experts
        yield Tensor("hc", "norm_other", copies * (copies + 2), copies * hidden, times=2, bytes_each=4)
    yield Tensor("attn.wq_a", PART, q_rank, hidden, linear=True)
    yield Tensor("attn.wq_b", PART, heads * width, q_rank, "column", linear=True)
    yield Tensor("attn.wkv", PART, width, hidden, linear=True)
    yield Tensor("attn.wo_a", PART, groups * o_rank, heads * width // groups, "column", linear=True)
    yield Tensor("attn.wo_b", PART, hidden, groups * o_rank, "row", linear=True)
    if ratio > 1:
        wide = 2 if ratio == 4 else 1
        yield Tensor("attn.compressor", PART, 2 * wide * width, hidden, bytes_each=2)
    if ratio == 4:
        index_heads, index_width = text["index_n_heads"], text["index_head_dim"]
        yield Tensor("attn.indexer.wq_b", PART, index_heads * index_width, q_rank, linear=True)
        yield Tensor("attn.indexer.compressor", PART, 4 * index_width + index_heads, hidden, bytes_each=2)


def _gated_delta(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    text, hidden = metadata.text_config, metadata.hidden_size
    values = text["linear_num_value_heads"] * text["linear_value_head_dim"]
    keys = text["linear_num_key_heads"] * text["linear_key_head_dim"]
    yield Tensor("linear_attn.in_proj_qkvz", PART, 2 * keys + 2 * values, hidden, "column", linear=True)
    yield Tensor("linear_attn.in_proj_ba", PART, 2 * text["linear_num_value_heads"], hidden, "column")
    yield Tensor("linear_attn.conv1d", PART, 2 * keys + values, text["linear_conv_kernel_dim"], "column")
    yield Tensor("linear_attn.out_proj", PART, hidden, values, "row", linear=True)


def _kimi_delta(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    linear, hidden = metadata.text_config["linear_attn_config"], metadata.hidden_size
    heads, width = linear["num_heads"], linear["head_dim"]
    for name in ("q_proj", "k_proj", "v_proj"):
        yield Tensor(f"self_attn.{name}", PART, heads * width, hidden, "column", linear=True)
    low_rank: tuple[str, ...] = ("f", "g")
    if linear.get("use_full_rank_gate"):
        low_rank = ("f",)
        yield Tensor("self_attn.g_proj", PART, heads * width, hidden, "column", linear=True)
    for name in low_rank:
        yield Tensor(f"self_attn.{name}_a_proj", PART, width, hidden, linear=True)
        yield Tensor(f"self_attn.{name}_b_proj", PART, heads * width, width, "column", linear=True)
    yield Tensor("self_attn.b_proj", PART, heads, hidden, "column", linear=True)
    yield Tensor("self_attn.conv1d", PART, 3 * heads * width, linear["short_conv_kernel_size"], "column")
    yield Tensor("self_attn.o_proj", PART, hidden, heads * width, "row", linear=True)


def _mamba2(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    hidden, (convolution, recurrent) = metadata.hidden_size, state.tensors
    inner, heads = convolution.rows, recurrent.rows
    groups, both = convolution.groups, convolution.groups * convolution.group_rows
    yield Tensor("mixer.in_proj", PART, 2 * inner + heads, hidden, "column", linear=True)
    yield Tensor("mixer.in_proj.groups", PART, both, hidden, "heads", linear=True, heads=groups)
    yield Tensor("mixer.conv1d", PART, inner + both, convolution.columns[0] + 2, "column")
    yield Tensor("mixer.out_proj", PART, hidden, inner, "row", linear=True)


def _mamba1(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    text, hidden, (convolution, recurrent) = metadata.text_config, metadata.hidden_size, state.tensors
    inner, size = convolution.rows, recurrent.columns[0]
    rank = text.get("mamba_dt_rank") or text.get("time_step_rank") or "auto"
    rank = -(-hidden // 16) if rank == "auto" else int(rank)
    yield Tensor("mixer.in_proj", PART, 2 * inner, hidden, "column", linear=True)
    yield Tensor("mixer.x_proj", PART, rank + 2 * size, inner, "row", linear=True)
    yield Tensor("mixer.dt_proj", PART, inner, rank, "column")
    yield Tensor("mixer.conv1d", PART, inner, convolution.columns[0] + 2, "column")
    yield Tensor("mixer.A_log", PART, inner, size, "column", bytes_each=4)
    yield Tensor("mixer.out_proj", PART, hidden, inner, "row", linear=True)


def _short_convolution(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    channels, hidden = state.tensors[0].rows, metadata.hidden_size
    yield Tensor("conv.in_proj", PART, 3 * channels, hidden, "column", linear=True)
    yield Tensor("conv.conv", PART, channels, state.tensors[0].columns[0] + 1, "column")
    yield Tensor("conv.out_proj", PART, hidden, channels, "row", linear=True)


def _lightning(metadata: ModelMetadata, state: StateCache) -> Iterator[Tensor]:
    width, hidden = metadata.num_attention_heads * metadata.head_dim, metadata.hidden_size
    yield Tensor("self_attn.qkv_proj", PART, 3 * width, hidden, "column", linear=True)
    yield Tensor("self_attn.output_gate", PART, width, hidden, "column", linear=True)
    yield Tensor("self_attn.out_proj", PART, hidden, width, "row", linear=True)


_STATES: Mapping[str, Any] = {
    "gdn": _gated_delta,
    "kda": _kimi_delta,
    "mamba1": _mamba1,
    "mamba2": _mamba2,
    "short_conv": _short_convolution,
    "linear": _lightning,
}
