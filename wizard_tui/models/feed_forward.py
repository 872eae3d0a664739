"""Tensors of the feed-forward part of a layer: one network, or a mixture of experts with its router."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from wizard_tui.models.config_shapes import whole
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensor import Tensor

_SHARED_WIDTH = ("shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size")
_SHARED_COUNT = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts")


@lru_cache(maxsize=64)
def kinds(metadata: ModelMetadata) -> tuple[str, ...]:
    """`dense`, `experts`, or `hashed experts` (chosen by the token itself) for the feed-forward part of every layer."""
    numbers = range(metadata.num_hidden_layers)
    if not metadata.num_experts:
        return ("dense",) * len(numbers)
    hashed = int(metadata.text_config.get("num_hash_layers") or 0)
    is_mixture = _mixture_rule(metadata.text_config)
    return tuple(
        "dense" if not is_mixture(number) else "hashed experts" if number < hashed else "experts" for number in numbers
    )


def tensors(metadata: ModelMetadata, kind: str) -> tuple[Tensor, ...]:
    """The tensors of a feed-forward part of one of the `kinds`."""
    ungated = metadata.family.ungated_mlp
    if kind != "dense":
        mixture = tuple(_mixture(metadata, ungated=ungated))
        if kind == "experts":
            return mixture
        # DeepSeek-V4
        table = Tensor("mlp.gate.tid2eid", "mlp", metadata.vocab_size, metadata.num_experts_per_tok, bytes_each=4)
        return (*mixture, table)
    text = metadata.text_config
    width = text.get("intermediate_size_mlp") or text.get("dense_intermediate_size") or metadata.intermediate_size
    return tuple(_network("mlp", metadata.hidden_size, int(width or 4 * metadata.hidden_size), ungated=ungated))


def _network(name: str, hidden: int, width: int, *, ungated: bool) -> Iterator[Tensor]:
    yield Tensor(f"{name}.up_proj", "mlp", width, hidden, "column", linear=True)
    if not ungated:
        yield Tensor(f"{name}.gate_proj", "mlp", width, hidden, "column", linear=True)
    yield Tensor(f"{name}.down_proj", "mlp", hidden, width, "row", linear=True)


def expert_width(metadata: ModelMetadata) -> int:
    """Width of one routed expert; 0 where there are none."""
    return int(metadata.moe_intermediate_size or metadata.intermediate_size or 0) if metadata.num_experts else 0


def shared_expert_width(metadata: ModelMetadata) -> int:
    """Width of the experts that every token passes, all together; 0 where there are none."""
    if not metadata.num_experts:
        return 0
    text = metadata.text_config
    if key := metadata.family.shared_width_key:
        return int(text[key])
    stated = next((text[name] for name in _SHARED_WIDTH if text.get(name)), None)
    count = next((text[name] for name in _SHARED_COUNT if text.get(name)), None)
    return int(stated) * int(count or 1) if stated else int(count or 0) * _width(metadata)


def dense_width(metadata: ModelMetadata) -> int:
    """Width of the dense feed-forward networks; 0 where the model is a mixture of experts from its first layer on."""
    if metadata.num_experts and not metadata.text_config.get("first_k_dense_replace"):
        return 0
    return metadata.intermediate_size or 0


def _width(metadata: ModelMetadata) -> int:
    return expert_width(metadata) or metadata.hidden_size


def _mixture(metadata: ModelMetadata, *, ungated: bool) -> Iterator[Tensor]:
    text, hidden, experts = metadata.text_config, metadata.hidden_size, metadata.num_experts
    width = _width(metadata)
    latent = int(text.get("moe_latent_size") or text.get("routed_expert_hidden_size") or 0)
    inside = latent or hidden
    rows = width if ungated else 2 * width
    yield Tensor("mlp.experts.gate_up_proj", "experts", rows, inside, "experts_in", linear=True, times=experts)
    yield Tensor("mlp.experts.down_proj", "experts", inside, width, "experts_out", linear=True, times=experts)
    if metadata.family.biased_experts:
        yield Tensor("mlp.experts.gate_up_bias", "experts", rows, 1, "experts_in", times=experts)
        yield Tensor("mlp.experts.down_bias", "experts", inside, 1, "experts_whole", times=experts)
    yield Tensor("mlp.gate", "mlp", experts, hidden, bytes_each=4 if metadata.family.float32_router else None)
    if latent:
        yield Tensor("mlp.fc1_latent_proj", "mlp", latent, hidden)
        yield Tensor("mlp.fc2_latent_proj", "mlp", hidden, latent)
    if shared := shared_expert_width(metadata):
        yield from _network("mlp.shared_experts", hidden, shared, ungated=ungated)
    if text.get("shared_expert_intermediate_size"):
        yield Tensor("mlp.shared_expert_gate", "mlp", 1, hidden)
    if text.get("enable_moe_block"):
        # Gemma 4: every layer has a dense network as well
        yield from _network("mlp", hidden, int(metadata.intermediate_size or hidden), ungated=ungated)


def _mixture_rule(text: Mapping[str, Any]) -> Callable[[int], bool]:
    """Which layers have experts, from whichever key of the config says it."""
    for key in ("mlp_layer_types", "layer_mlp_types"):
        if isinstance(kinds := text.get(key), Sequence):
            return lambda number: kinds[number] == "sparse"
    pattern = text.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        return lambda number: pattern[number] == "E"
    blocks = text.get("layers_block_type")
    if isinstance(blocks, Sequence) and "moe" in blocks:
        return lambda number: blocks[number] == "moe"
    frequency = text.get("moe_layer_freq")
    if isinstance(frequency, Sequence):
        return lambda number: bool(frequency[number])
    listed = text.get("moe_layers")
    if isinstance(listed, Sequence):
        return lambda number: number in listed
    return _periodic_rule(text)


def _periodic_rule(text: Mapping[str, Any]) -> Callable[[int], bool]:
    stated = text.get("first_k_dense_replace", text.get("num_dense_layers", text.get("moe_layer_start_index")))
    first, only = whole(stated) or 0, text.get("mlp_only_layers")
    dense = frozenset(only) if isinstance(only, Sequence) else frozenset()
    if period := whole(text.get("expert_layer_period")):
        offset = int(text.get("expert_layer_offset", 0))
        return lambda number: number >= first and number not in dense and number % period == offset
    step = int(text.get("interleave_moe_layer_step") or text.get("decoder_sparse_step") or 1)
    return lambda number: number >= first and number not in dense and (number + 1) % step == 0
