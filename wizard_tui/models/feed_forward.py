"""Tensors of the feed-forward part of a layer: one network, or a mixture of experts with its router."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wizard_tui.models.config_shapes import whole
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensor import Tensor

_SHARED_WIDTH = ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size")
_SHARED_COUNT = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")


def tensors(
    metadata: ModelMetadata, number: int, *, ungated: bool, biased: bool = False, float32_router: bool = False
) -> tuple[Tensor, ...]:
    """The tensors of layer `number` after its mixer."""
    if metadata.num_experts and _is_mixture(metadata, number):
        found = tuple(_mixture(metadata, ungated=ungated, biased=biased, float32_router=float32_router))
        if number < int(metadata.text_config.get("num_hash_layers") or 0):
            # DeepSeek-V4: the first layers choose their experts by the token itself
            table = Tensor("mlp.gate.tid2eid", "mlp", metadata.vocab_size, metadata.num_experts_per_tok, bytes_each=4)
            return (*found, table)
        return found
    text = metadata.text_config
    width = text.get("intermediate_size_mlp") or text.get("dense_intermediate_size") or metadata.intermediate_size
    return tuple(_network("mlp", metadata.hidden_size, int(width or 4 * metadata.hidden_size), ungated=ungated))


def _network(name: str, hidden: int, width: int, *, ungated: bool) -> Iterator[Tensor]:
    yield Tensor(f"{name}.up_proj", "mlp", width, hidden, "column", linear=True)
    if not ungated:
        yield Tensor(f"{name}.gate_proj", "mlp", width, hidden, "column", linear=True)
    yield Tensor(f"{name}.down_proj", "mlp", hidden, width, "row", linear=True)


def _mixture(metadata: ModelMetadata, *, ungated: bool, biased: bool, float32_router: bool) -> Iterator[Tensor]:
    text, hidden, experts = metadata.text_config, metadata.hidden_size, metadata.num_experts
    width = int(metadata.moe_intermediate_size or metadata.intermediate_size or hidden)
    latent = int(text.get("moe_latent_size") or text.get("routed_expert_hidden_size") or 0)
    inside = latent or hidden
    rows = width if ungated else 2 * width
    yield Tensor("mlp.experts.gate_up_proj", "experts", rows, inside, "experts_in", linear=True, times=experts)
    yield Tensor("mlp.experts.down_proj", "experts", inside, width, "experts_out", linear=True, times=experts)
    if biased:
        yield Tensor("mlp.experts.gate_up_bias", "experts", rows, 1, "experts_in", times=experts)
        yield Tensor("mlp.experts.down_bias", "experts", inside, 1, "experts_whole", times=experts)
    yield Tensor("mlp.gate", "mlp", experts, hidden, bytes_each=4 if float32_router else None)
    if latent:
        yield Tensor("mlp.fc1_latent_proj", "mlp", latent, hidden)
        yield Tensor("mlp.fc2_latent_proj", "mlp", hidden, latent)
    shared = _shared_width(metadata, width)
    if shared:
        yield from _network("mlp.shared_experts", hidden, shared, ungated=ungated)
    if text.get("shared_expert_intermediate_size"):
        yield Tensor("mlp.shared_expert_gate", "mlp", 1, hidden)
    if text.get("enable_moe_block"):
        # Gemma 4: every layer has a dense network as well
        yield from _network("mlp", hidden, int(metadata.intermediate_size or hidden), ungated=ungated)


def _shared_width(metadata: ModelMetadata, width: int) -> int:
    text = metadata.text_config
    if text.get("model_type") == "llama4_text":
        return int(text["intermediate_size"])
    stated = next((text[name] for name in _SHARED_WIDTH if text.get(name)), None)
    count = next((text[name] for name in _SHARED_COUNT if text.get(name)), None)
    return int(stated) * int(count or 1) if stated else int(count or 0) * width


def _is_mixture(metadata: ModelMetadata, number: int) -> bool:
    """Whether layer `number` has experts, by whichever key the config says it."""
    text = metadata.text_config
    for key in ("mlp_layer_types", "layer_mlp_types"):
        if isinstance(text.get(key), Sequence):
            return bool(text[key][number] == "sparse")
    pattern = text.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        return pattern[number] == "E"
    kinds = text.get("layers_block_type")
    if isinstance(kinds, Sequence) and "moe" in kinds:
        return bool(kinds[number] == "moe")
    frequency = text.get("moe_layer_freq")
    if isinstance(frequency, Sequence):
        return bool(frequency[number])
    listed = text.get("moe_layers")
    if isinstance(listed, Sequence):
        return number in listed
    return _is_periodic_mixture(text, number)


def _is_periodic_mixture(text: Mapping[str, Any], number: int) -> bool:
    dense = text.get("first_k_dense_replace", text.get("num_dense_layers", text.get("moe_layer_start_index")))
    if number < (whole(dense) or 0):
        return False
    only = text.get("mlp_only_layers")
    if isinstance(only, Sequence) and number in only:
        return False
    if period := whole(text.get("expert_layer_period")):
        return number % period == int(text.get("expert_layer_offset", 0))
    step = text.get("interleave_moe_layer_step") or text.get("decoder_sparse_step") or 1
    return (number + 1) % int(step) == 0
