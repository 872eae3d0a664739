"""Single facts out of a config.json, under the many names that checkpoints give them.

The names and their order are vLLM 0.33's: vllm/transformers_utils/model_arch_config_convertor.py and
config.py:CONFIG_FIELD_ALIASES there. Every function raises Refusal that names the key and the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wizard_tui.errors import Refusal
from wizard_tui.models.config_shapes import number, shown, whole

NAMES: Mapping[str, tuple[str, ...]] = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "model_dim"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "num_key_value_heads": (
        "n_head_kv",
        "num_kv_heads",
        "num_key_value_heads",
        "multi_query_group_num",
        "num_attention_groups",
        "kv_n_heads",
    ),
    "head_dim": ("head_dim", "hidden_size_per_head"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size", "ffn_dim", "n_inner", "d_ff"),
    "num_experts": ("num_experts", "moe_num_experts", "n_routed_experts", "num_local_experts"),
    "num_experts_per_tok": (
        "num_experts_per_tok",
        "num_experts_per_token",
        "top_k_experts",
        "moe_topk",
        "moe_top_k",
        "top_k",
    ),
    "moe_intermediate_size": ("moe_intermediate_size",),
}

_LENGTHS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_target_positions",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
_LENGTH_WHEN_UNSTATED = 2048
# for these, the stated length is already the one after scaling
_UNSCALED_ROPES = frozenset(
    {"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling", "default", "mrope"}
)
MOST_LAYERS = 4096
LARGEST_FACTOR = 1e6

_MODELOPT_METHODS = {
    "FP8": "modelopt",
    "FP8_PER_CHANNEL_PER_TOKEN": "modelopt",
    "FP8_PB_WO": "modelopt",
    "NVFP4": "modelopt_fp4",
    "MXFP8": "modelopt_mxfp8",
    "MIXED_PRECISION": "modelopt_mixed",
}

# vllm/transformers_utils/config.py: where a multimodal config keeps its language part
_TEXT_CONFIGS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
# DBRX and MPT keep the keys of attention and of the feed-forward part in groups
_GROUPS = ("attn_config", "ffn_config")


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that describes the language model: a nested one where there is one, else all of it."""
    for name in _TEXT_CONFIGS:
        nested = config.get(name)
        if isinstance(nested, Mapping):
            return text_config(nested)
    grouped = [part for name in _GROUPS if isinstance(part := config.get(name), Mapping)]
    return {key: value for part in (*grouped, config) for key, value in part.items()} if grouped else config


def needed(text: Mapping[str, Any], fact: str, where: str) -> int:
    """A fact that every plan needs: a whole number above zero."""
    value = optional(text, fact, where)
    if value is None:
        raise Refusal(f"{where} lacks `{fact}`")
    if value == 0:
        raise Refusal(f"{where} has `{fact}` 0, which must be a whole number above 0")
    return value


def optional(text: Mapping[str, Any], fact: str, where: str) -> int | None:
    """A fact that a model may lack. The first value of a list (one a layer) counts, as in vLLM."""
    for name in NAMES[fact]:
        value = text.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if value is None:
            continue
        if (count := whole(value)) is None:
            raise Refusal(f"{where} has `{name}` {shown(value)}, which must be a whole number above 0")
        return count
    return None


def num_hidden_layers(text: Mapping[str, Any], where: str) -> int:
    """Layers of the language model; Nemotron 3 only lists them."""
    listed = text.get("layers_block_type")
    if "num_hidden_layers" not in text and isinstance(listed, list) and listed:
        stated = len(listed)
    else:
        stated = needed(text, "num_hidden_layers", where)
    if stated > MOST_LAYERS:
        raise Refusal(f"{where} has {stated:,} layers, which no model has")
    return stated


def num_experts(text: Mapping[str, Any], where: str) -> int:
    """Routed experts of a layer; 0 for a dense model."""
    stated = optional(text, "num_experts", where)
    if stated:
        return stated
    blocks = text.get("block_configs")
    counts = [_block_experts(block) for block in blocks] if isinstance(blocks, list) else []
    return max(counts, default=0)


def num_key_value_heads(text: Mapping[str, Any], heads: int, where: str) -> int:
    """Heads of keys and values: as stated, one for a multi-query model, else as many as there are queries."""
    if text.get("multi_query") is True and not text.get("new_decoder_architecture"):
        return 1
    stated = optional(text, "num_key_value_heads", where)
    return heads if stated is None else needed(text, "num_key_value_heads", where)


def intermediate_size(text: Mapping[str, Any], where: str) -> int | None:
    """Width of the feed-forward part; LFM2 states it before its gate takes two thirds (modeling_lfm2.py)."""
    stated = optional(text, "intermediate_size", where)
    if stated is None or not text.get("block_auto_adjust_ff_dim"):
        return stated
    multiple = int(text.get("block_multiple_of") or 1)
    width = int(float(text.get("block_ffn_dim_multiplier") or 1) * int(2 * stated / 3))
    return -(-width // multiple) * multiple


def max_length(config: Mapping[str, Any], text: Mapping[str, Any], *, stretched: bool = False) -> int:
    """The longest context that vLLM allows a server without being forced (model_arch_config_convertor.py:
    derive_max_model_len_and_key, and config/model.py:_get_and_verify_max_len for the scaling by RoPE, which the
    config has applied already where it is `stretched`)."""
    stated = whole(config.get("model_max_length"), 1)
    if stated is not None:
        return stated
    lengths = [value for name in _LENGTHS if (value := whole(text.get(name), 1)) is not None]
    limit = min(lengths, default=_LENGTH_WHEN_UNSTATED)
    if stretched:
        return limit
    return int(limit * max((_rope_factor(rope) for rope in _ropes(text)), default=1.0))


def dtype(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    """The precision in which `--dtype auto` serves the model: the checkpoint's, but float32 as bfloat16."""
    stated = next((part[key] for part in (text, config) for key in ("dtype", "torch_dtype") if part.get(key)), None)
    name = str(stated or "bfloat16").removeprefix("torch.")
    return name if name in ("float16", "bfloat16") else "bfloat16"


def quantization_config(config: Mapping[str, Any], text: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a checkpoint says about its quantisation, wherever it says so."""
    for part in (config, text):
        for key in ("quantization_config", "compression_config"):
            if isinstance(stated := part.get(key), Mapping) and stated:
                return stated
    return None


def quantization_method(config: Mapping[str, Any], text: Mapping[str, Any]) -> str | None:
    """vLLM's name of the method in which a checkpoint is quantised, such as `fp8`, `awq` or `modelopt_fp4`."""
    stated = quantization_config(config, text)
    if stated is None:
        return None
    method = str(stated.get("quant_method") or "").lower()
    nested = stated.get("quantization")
    algorithm = stated.get("quant_algo") or (nested.get("quant_algo") if isinstance(nested, Mapping) else None)
    if algorithm and method in ("", "modelopt"):
        return _MODELOPT_METHODS.get(str(algorithm).upper(), str(algorithm).lower())
    return method or None


def tied_embeddings(config: Mapping[str, Any], text: Mapping[str, Any]) -> bool:
    """Whether the output layer is the embedding."""
    return bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", False)))


def architecture_name(config: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    """The class that Transformers and vLLM load the checkpoint with, or an empty string."""
    for part in (config, text):
        names = part.get("architectures")
        if isinstance(names, Sequence) and names and isinstance(names[0], str) and not isinstance(names, str):
            return names[0]
    return ""


def _block_experts(block: object) -> int:
    part = block.get("ffn") if isinstance(block, Mapping) else None
    part = part.get("moe") if isinstance(part, Mapping) else None
    count = part.get("num_local_experts") if isinstance(part, Mapping) else None
    return whole(count) or 0


def _ropes(text: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The scalings of rotary positions: one, or one for each kind of layer."""
    stated = text.get("rope_scaling") or text.get("rope_parameters")
    if not isinstance(stated, Mapping):
        return []
    nested = [value for value in stated.values() if isinstance(value, Mapping)]
    return nested or [stated]


def _rope_factor(rope: Mapping[str, Any]) -> float:
    kind, factor = str(rope.get("rope_type") or rope.get("type") or "default"), number(rope.get("factor"))
    scales = kind not in _UNSCALED_ROPES
    return float(factor) if scales and factor and factor < LARGEST_FACTOR else 1.0
