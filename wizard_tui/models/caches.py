"""What each layer of a model keeps in the cache, before any sharding: read from the config and the family's traits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.models.config_shapes import shown, whole
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.tables import read_table


class AttentionCache(NamedTuple):
    """Keys and values of one attention module, or one latent vector a token.

    `kind` is `full`, `sliding`, `chunked`, `cross`, `latent`, `index` (keys of a sparse indexer) or one of those of
    DeepSeek-V4: `compressed`, `latent_window` and `compressor_state`. `kv_heads` are the heads of the whole model.
    `block_size` and `dtype` are set where the model fixes them whatever the engine is told.
    """

    layer: int
    kind: str
    kv_heads: int
    head_dim: int
    v_head_dim: int
    window: int | None = None
    tokens_per_state: int = 1
    block_size: int | None = None
    dtype: str | None = None


class StateTensor(NamedTuple):
    """A recurrent state of `rows` x `columns`; tensor parallel splits the rows.

    `groups` x `group_rows` further rows belong to groups, which are repeated where tensor parallel does not divide
    their number. A convolution keeps one more column for each speculative token.
    """

    rows: int
    columns: tuple[int, ...]
    convolution: bool = False
    groups: int = 0
    group_rows: int = 0


class StateCache(NamedTuple):
    """The recurrent state of one layer: `mamba1`, `mamba2`, `gdn`, `kda`, `short_conv` or `linear`.

    `dtype` is that of the recurrent part where it is not the model's own.
    """

    layer: int
    kind: str
    tensors: tuple[StateTensor, ...]
    dtype: str | None = None


LayerCache = AttentionCache | StateCache


@lru_cache(maxsize=256)
def layer_caches(metadata: ModelMetadata) -> tuple[LayerCache, ...]:
    """Every cache of the model in the order of its layers; a layer may have none, one or several.

    Layers that share an earlier layer's cache have none. A model known only by its numbers counts as full attention.
    Raises Refusal when the config names a kind of layer that is not known, or lacks what its kind needs.
    """
    text = _with_defaults(metadata)
    if not text:
        return tuple(_plain(metadata, layer, "full") for layer in range(metadata.num_hidden_layers))
    if "compress_ratios" in text:
        return tuple(_compressed_layers(metadata, text))
    return tuple(_caches(metadata, text))


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return read_table(__package__, "caches.toml")


def _with_defaults(metadata: ModelMetadata) -> Mapping[str, Any]:
    stated = {key: value for key, value in metadata.text_config.items() if value is not None}
    return {**metadata.family.config_defaults, **stated} if stated else stated


def _caches(metadata: ModelMetadata, text: Mapping[str, Any]) -> Iterator[LayerCache]:
    kinds = layer_kinds(metadata)
    kinds = kinds[: len(kinds) - int(text.get("num_kv_shared_layers", 0))]
    # layers of one kind keep the same
    caches_of = {kind: tuple(_of_kind(metadata, text, kind)) for kind in dict.fromkeys(kinds)}
    for layer, kind in enumerate(kinds):
        for cache in caches_of[kind]:
            yield cache._replace(layer=layer)
        if kind == "full" and _has_index(text, layer):
            yield _index(text, layer)


def _of_kind(metadata: ModelMetadata, text: Mapping[str, Any], kind: str) -> Iterator[LayerCache]:
    """What a layer keeps, as if it were the first; without its index, which not every layer of a kind has."""
    if kind in ("state", "both"):
        yield _state(metadata, text)
    if kind in ("full", "sliding", "chunked", "both"):
        attention = _latent(text) if is_latent(metadata) else _attention(metadata, text, kind)
        yield from (attention,) * metadata.family.attention_modules
    if text.get("is_encoder_decoder"):
        yield _plain(metadata, 0, "cross")


def is_latent(metadata: ModelMetadata) -> bool:
    """Whether vLLM runs the model with multi-head latent attention (one vector a token instead of heads)."""
    return metadata.family.latent_attention and bool(metadata.text_config.get("kv_lora_rank"))


def attention_output_width(metadata: ModelMetadata) -> int:
    """Inputs of the matrix behind attention, over all heads."""
    text = metadata.text_config
    width = text["v_head_dim"] if "kv_lora_rank" in text else metadata.head_dim
    return metadata.num_attention_heads * int(width)


def attention_width(metadata: ModelMetadata) -> float:
    """Width of one head in the two products of attention, on average; latent projections have one for each."""
    widths = [metadata.text_config.get(key) for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim")]
    latent = [width for width in widths if isinstance(width, int)]
    return sum(latent) / 2 if len(latent) == len(widths) else metadata.head_dim


def widest_head(metadata: ModelMetadata) -> int:
    """The widest attention head of any layer."""
    return max(metadata.head_dim, int(metadata.text_config.get("global_head_dim") or 0))


def recurrent_key_heads(metadata: ModelMetadata) -> int | None:
    """Key heads of gated delta networks; None where the config states none."""
    return whole(metadata.text_config.get("linear_num_key_heads"))


@lru_cache(maxsize=256)
def layer_kinds(metadata: ModelMetadata) -> tuple[str, ...]:
    """`full`, `sliding`, `chunked`, `state`, `both` or `none` for every layer, from whichever key states it."""
    text = _with_defaults(metadata)
    layers = metadata.num_hidden_layers
    kinds = _stated_kinds(text, layers)
    if kinds is None:
        kinds = [_uniform_kind(metadata, text)] * layers
    if len(kinds) < layers:
        raise Refusal(f"{metadata.model_id}: the config describes {len(kinds)} of its {layers} layers")
    local = {"sliding": _window(text), "chunked": text.get("attention_chunk_size")}
    kinds = ["full" if kind in local and not local[kind] else kind for kind in kinds]
    return tuple(kinds[:layers])


def _stated_kinds(text: Mapping[str, Any], layers: int) -> list[str] | None:
    table = _table()
    for key in ("layer_types", "layers_block_type", "block_types"):
        if isinstance(text.get(key), Sequence):
            return [_known(table["layer_names"], name, key) for name in text[key]]
    for key in ("hybrid_override_pattern", "sliding_window_pattern"):
        if isinstance(text.get(key), str) and text[key]:
            letters = [_known(table["letters"], letter, key) for letter in text[key]]
            return [letters[layer % len(letters)] for layer in range(layers)]
    for key, meaning in table["numbered"].items():
        if isinstance(text.get(key), Sequence):
            return [_known(meaning, str(number), key) for number in text[key]]
    full = _full_indices(text)
    if full is not None:
        return ["full" if layer in full else "state" for layer in range(layers)]
    for rule in table["periods"]:
        if period := whole(text.get(rule["key"])):
            odd = int(text.get(rule.get("at"), period - 1))
            return [rule["odd"] if layer % period == odd else rule["others"] for layer in range(layers)]
    return None


def _full_indices(text: Mapping[str, Any]) -> set[int] | None:
    """Layers with attention where the config lists them (Bamba, LFM2; Kimi Linear counts from one)."""
    for key in ("attn_layer_indices", "full_attn_idxs"):
        if isinstance(text.get(key), Sequence):
            return set(text[key])
    linear = text.get("linear_attn_config")
    if isinstance(linear, Mapping) and "full_attn_layers" in linear:
        return {number - 1 for number in linear["full_attn_layers"]}
    return None


def _uniform_kind(metadata: ModelMetadata, text: Mapping[str, Any]) -> str:
    if metadata.family.parallel_hybrid:
        return "both"
    if metadata.family.attention_free and _first(text, _STATE_SIZE) is not None:
        return "state"
    return "sliding" if _window(text) else "full"


def _known(names: Mapping[str, str], name: str, key: str) -> str:
    if name not in names:
        raise Refusal(f"unknown layer kind {shown(name)} in `{key}`; known are {', '.join(names)}")
    return names[name]


def _window(text: Mapping[str, Any]) -> int | None:
    window = text.get("sliding_window", text.get("sliding_window_size"))
    return int(window) if window and text.get("use_sliding_window", True) else None


def _plain(metadata: ModelMetadata, layer: int, kind: str) -> AttentionCache:
    return AttentionCache(layer, kind, metadata.num_key_value_heads, metadata.head_dim, metadata.head_dim)


def _attention(metadata: ModelMetadata, text: Mapping[str, Any], kind: str) -> AttentionCache:
    if kind == "both":
        kind = "full"
    heads, head_dim, v_head_dim = metadata.num_key_value_heads, metadata.head_dim, None
    if "kv_lora_rank" in text:
        # latent projections that vLLM runs as ordinary attention (MiniCPM 3): every head has its own key
        heads, head_dim = metadata.num_attention_heads, text["qk_nope_head_dim"] + text["qk_rope_head_dim"]
    elif kind == "sliding":
        heads = text.get("swa_num_key_value_heads", heads)
        head_dim = text.get("swa_head_dim", head_dim)
        v_head_dim = text.get("swa_v_head_dim", text.get("v_head_dim"))
        other = text.get("attention_other_setting")
        if isinstance(other, Mapping):
            heads, head_dim = other.get("num_attention_groups", heads), other.get("head_dim", head_dim)
    elif kind == "full":
        head_dim = text.get("global_head_dim", head_dim)
        v_head_dim = text.get("v_head_dim")
        if text.get("attention_k_eq_v"):
            heads = text.get("num_global_key_value_heads", heads)
    window = {"sliding": _window(text), "chunked": text.get("attention_chunk_size")}.get(kind)
    return AttentionCache(0, kind, heads, head_dim, v_head_dim or head_dim, window)


def _latent(text: Mapping[str, Any]) -> AttentionCache:
    return AttentionCache(0, "latent", 1, text["kv_lora_rank"] + text["qk_rope_head_dim"], 0)


def _has_index(text: Mapping[str, Any], layer: int) -> bool:
    """Whether the layer has its own indexer; others reuse the choice of an earlier layer."""
    sparse = text.get("sparse_attention_config")
    if isinstance(sparse, Mapping):
        frequency = sparse.get("sparse_attention_freq")
        return bool(frequency[layer]) if isinstance(frequency, Sequence) else bool(sparse.get("use_sparse_attention"))
    types = text.get("indexer_types")
    if isinstance(types, Sequence):
        return bool(types[layer] == "full")
    return "index_topk" in text


def _index(text: Mapping[str, Any], layer: int) -> AttentionCache:
    sparse = text.get("sparse_attention_config")
    if isinstance(sparse, Mapping):
        return AttentionCache(layer, "index", 1, sparse["sparse_index_dim"], 0, dtype="bfloat16")
    # fp8 with a float32 scale for every 128 values, whatever the cache's own type
    head_dim = text["index_head_dim"]
    return AttentionCache(layer, "index", 1, head_dim + head_dim // 128 * 4, 0, dtype="uint8")


def _compressed_layers(metadata: ModelMetadata, text: Mapping[str, Any]) -> Iterator[AttentionCache]:
    """DeepSeek-V4: a short window in every layer, and one state for 4 or 128 tokens with its compressor's state."""
    head_dim, ratios = metadata.head_dim, text["compress_ratios"]
    for layer in range(metadata.num_hidden_layers):
        ratio = ratios[layer]
        yield AttentionCache(layer, "latent_window", 1, head_dim, 0, text["sliding_window"], block_size=64)
        if ratio <= 1:
            continue
        yield _compressor_state(layer, head_dim, ratio)
        yield AttentionCache(layer, "compressed", 1, head_dim, 0, tokens_per_state=ratio)
        if ratio == 4:
            yield _compressor_state(layer, text["index_head_dim"], ratio)
            index = _index(text, layer)
            yield AttentionCache(layer, "index", 1, index.head_dim, 0, tokens_per_state=ratio, dtype="uint8")


def _compressor_state(layer: int, head_dim: int, ratio: int) -> AttentionCache:
    overlap = 2 if ratio == 4 else 1
    return AttentionCache(
        layer,
        "compressor_state",
        1,
        2 * overlap * head_dim,
        0,
        window=overlap * ratio,
        block_size=4 if ratio == 4 else 8,
        dtype="float32",
    )


_STATE_DTYPES = (None, "float32", "float16", "bfloat16")
_STATE_SIZE = ("mamba_d_state", "ssm_state_size", "state_size")
_STATE_HEADS = ("mamba_num_heads", "mamba_n_heads", "n_mamba_heads", "num_heads")
_STATE_HEAD_DIM = ("mamba_head_dim", "mamba_d_head", "mamba_headdim")
_STATE_GROUPS = ("mamba_n_groups", "mamba_ngroups", "n_groups")
_STATE_KERNEL = ("mamba_d_conv", "conv_kernel", "conv_kernel_size")
_STATE_EXPAND = ("mamba_expand", "expand")
_STATE_INNER = ("mamba_d_ssm", "mamba_intermediate_size")


def _first(text: Mapping[str, Any], names: Sequence[str]) -> int | None:
    return next((found for name in names if (found := whole(text.get(name))) is not None), None)


def _state(metadata: ModelMetadata, text: Mapping[str, Any]) -> StateCache:
    """The state of a recurrent layer, by the shapes of vllm/model_executor/layers/mamba/mamba_utils.py."""
    stated = text.get("mamba_ssm_cache_dtype") or text.get("mamba_ssm_dtype")
    dtype = stated if stated not in (None, "auto") else metadata.family.state_dtype
    try:
        kind, tensors = _state_tensors(metadata, text)
    except KeyError as missing:
        raise Refusal(f"{metadata.model_id}: the config lacks {missing} for its recurrent layers") from None
    if dtype not in _STATE_DTYPES:
        raise Refusal(f"{metadata.model_id}: the config has recurrent states in {shown(dtype)}, which vLLM has not")
    return StateCache(0, kind, tensors, dtype)


def _state_tensors(metadata: ModelMetadata, text: Mapping[str, Any]) -> tuple[str, tuple[StateTensor, ...]]:
    if "linear_num_value_heads" in text:
        values, width = text["linear_num_value_heads"], text["linear_value_head_dim"]
        keys, key_width = text["linear_num_key_heads"], text["linear_key_head_dim"]
        channels = 2 * keys * key_width + values * width
        kernel = text["linear_conv_kernel_dim"]
        return "gdn", (StateTensor(channels, (kernel - 1,), True), StateTensor(values, (width, key_width)))
    linear = text.get("linear_attn_config")
    if isinstance(linear, Mapping):
        heads, width, kernel = linear["num_heads"], linear["head_dim"], linear["short_conv_kernel_size"]
        return "kda", (StateTensor(3 * heads * width, (kernel - 1,), True), StateTensor(heads, (width, width)))
    if "conv_L_cache" in text:
        channels = text.get("conv_dim") or metadata.hidden_size
        return "short_conv", (StateTensor(channels, (text["conv_L_cache"] - 1,), True),)
    size = _first(text, _STATE_SIZE)
    if size is None:
        heads, width = metadata.num_attention_heads, metadata.head_dim
        return "linear", (StateTensor(heads, (width, width)),)
    kernel = _first(text, _STATE_KERNEL) or 4
    head_dim = _first(text, _STATE_HEAD_DIM) or (text.get("head_dim") if metadata.family.attention_free else None)
    expanded = int((_first(text, _STATE_EXPAND) or 2) * metadata.hidden_size)
    if head_dim is None:
        inner = text["intermediate_size"] if "num_attention_heads" not in text else expanded
        return "mamba1", (StateTensor(inner, (kernel - 1,), True), StateTensor(inner, (size,)))
    inner = _first(text, _STATE_INNER) or expanded
    heads = _first(text, _STATE_HEADS) or inner // head_dim
    groups = _first(text, _STATE_GROUPS) or 1
    convolution = StateTensor(heads * head_dim, (kernel - 1,), True, groups, 2 * size)
    return "mamba2", (convolution, StateTensor(heads, (head_dim, size)))
