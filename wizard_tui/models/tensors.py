"""The tensors that vLLM loads for a model, from its config alone: shapes, how each is split, and what may be quantised.

Layers that hold the same are one `Layer` with the numbers of those layers, so that the inventory stays small.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.models import feed_forward, mixers, towers
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensor import Tensor


class Layer(NamedTuple):
    """The tensors of decoder layers that are alike, and the numbers of those layers."""

    numbers: tuple[int, ...]
    tensors: tuple[Tensor, ...]


class Inventory(NamedTuple):
    """Everything that is loaded: what stands before the layers, the layers, and what stands after them.

    `tied` says that the output layer is the embedding; `towers` are vision or audio encoders with their projectors.
    """

    first: tuple[Tensor, ...]
    layers: tuple[Layer, ...]
    last: tuple[Tensor, ...]
    towers: tuple[Tensor, ...]
    tied: bool

    def all_tensors(self) -> Iterator[tuple[Tensor, int]]:
        """Every tensor and how many of it there are."""
        for tensor in (*self.first, *self.last, *self.towers):
            yield tensor, tensor.times
        for layer in self.layers:
            for tensor in layer.tensors:
                yield tensor, tensor.times * len(layer.numbers)


@lru_cache(maxsize=256)
def inventory(metadata: ModelMetadata) -> Inventory:
    """The tensors of a model. Raises Refusal when the config lacks what its kind of layer needs."""
    text, hidden, vocabulary = metadata.text_config, metadata.hidden_size, metadata.vocab_size
    tied = metadata.tie_word_embeddings or (
        "tie_word_embeddings" not in text and "tie_word_embeddings" not in metadata.config and metadata.family.tied
    )
    embedding = int(text.get("word_embed_proj_dim") or hidden)
    first = [Tensor("embed_tokens", "embedding", vocabulary, embedding, "vocabulary")]
    if metadata.family.learned_positions:
        first.append(Tensor("embed_positions", "embedding", metadata.max_position_embeddings, hidden))
    last = [Tensor("norm", "norm_other", hidden, 1)]
    if not tied:
        last.append(Tensor("lm_head", "lm_head", vocabulary, hidden, "vocabulary", linear=True))
    try:
        layers = _layers(metadata)
        beside = towers.tensors(metadata)
        if any(None in (tensor.rows, tensor.columns) for layer in layers for tensor in layer.tensors):
            raise TypeError  # null instead of a width
    except KeyError as missing:
        raise Refusal(f"config.json of {metadata.model_id} lacks {missing} for its layers") from None
    except (TypeError, IndexError):
        raise Refusal(f"config.json of {metadata.model_id} contradicts itself about its layers") from None
    return Inventory(tuple(first), layers, tuple(last), beside, tied)


@lru_cache(maxsize=256)
def count_parameters(metadata: ModelMetadata) -> tuple[int, int]:
    """All parameters of a model, and those that one token passes through: only the chosen ones of the experts."""
    total = active = 0
    for tensor, times in inventory(metadata).all_tensors():
        if tensor.copied:
            continue
        count = tensor.rows * tensor.columns * times
        total += count
        routed = tensor.part == "experts" and metadata.num_experts > 0
        active += count * metadata.num_experts_per_tok // metadata.num_experts if routed else count
    return total, active


def _layers(metadata: ModelMetadata) -> tuple[Layer, ...]:
    """The decoder layers: tensors are made once for each mixer and network, and layers with equal tensors are one."""
    numbers_of: dict[tuple[mixers.Mixer, str], list[int]] = {}
    for number, parts in enumerate(zip(mixers.kinds(metadata), feed_forward.kinds(metadata), strict=True)):
        numbers_of.setdefault(parts, []).append(number)
    alike: dict[tuple[Tensor, ...], list[int]] = {}
    for (mixer, network), numbers in numbers_of.items():
        alike.setdefault(_layer(metadata, mixer, network), []).extend(numbers)
    return tuple(Layer(tuple(sorted(numbers)), tensors) for tensors, numbers in alike.items())


def _layer(metadata: ModelMetadata, mixing: mixers.Mixer, network_kind: str) -> tuple[Tensor, ...]:
    mixer = mixers.tensors(metadata, mixing)
    alone = metadata.family.one_part_a_layer
    norms = (Tensor("norms", "norm_other", metadata.hidden_size, 1 if alone else 2),)
    if alone and mixer:
        return (*_with_biases(metadata, mixer), *norms)
    network = feed_forward.tensors(metadata, network_kind)
    return (*_with_biases(metadata, (*mixer, *network)), *norms)


def _with_biases(metadata: ModelMetadata, tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """The tensors of a layer, with the bias of each matrix that has one; it is split like the matrix's outputs."""
    text, family = metadata.text_config, metadata.family
    everywhere = family.biased_everywhere or bool(text.get("use_bias"))
    attention = everywhere or bool(text.get("attention_bias")) or family.biased_queries
    network = everywhere or bool(text.get("mlp_bias"))
    for tensor in tensors:
        yield tensor
        outwards = family.biased_queries and tensor.name.endswith("o_proj")
        wanted = {"attention": attention and not outwards, "mlp": network}.get(tensor.part, False)
        if wanted and tensor.linear:
            split = tensor.split if tensor.split in ("column", "heads") else ""
            yield tensor._replace(name=f"{tensor.name}.bias", columns=1, split=split, linear=False)
