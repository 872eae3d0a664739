"""Bytes of weights on one GPU: the model's tensors, split and stored as vLLM 0.33 does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

from wizard_tui.engine.dtype import BYTES_OF_DTYPE
from wizard_tui.engine.platforms import UNPADDED, Padding, mxfp4_padding
from wizard_tui.engine.versions import rules_for
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models import rotary
from wizard_tui.models.checkpoint import loaded_bytes
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.quantized import MXFP4, Format, Quantization, quantization_of
from wizard_tui.models.tensor import Tensor
from wizard_tui.models.tensors import Inventory, Layer, inventory
from wizard_tui.models.towers import deepstack_levels
from wizard_tui.planning.memory.stages import stages
from wizard_tui.planning.settings import Settings
from wizard_tui.schemas.numbers import gib

VOCABULARY_PADDING = 64
_AFTER_LOADING = "after loading"
_MADE = ("buffers", "adapters")
# a config is believed while the tensors agree with it to this share
_SAME = 0.01
_SCALED_ERROR = 0.02
# methods for which a config states no number of bits
_BITS_BY_TENSOR = frozenset({"gguf"})
_UNKNOWN_ERROR = 0.1

# 80 % of checkpoints with a known loaded size lie within these, by the source of the facts
RELATIVE_ERROR = {"tensor headers": 0.004, "config": 0.01, "catalogue": 0.01, "parameter count": 0.1}


@dataclass(frozen=True)
class Weights:
    """Weights of the fullest rank, as "Model loading took" counts them, rotary tables included.

    `bytes_by_rank` has one entry for each pipeline stage, `parts` the bytes of the fullest one by kind (`embedding`,
    `attention`, `mlp`, `experts`, `vision`, ...). `after_loading` is what the fullest stage derives from its weights
    and keeps beside them: latent attention's absorbed matrices where their sources stay quantised, and kernel layouts.
    `relative_error` is half the width of the 80 % band.
    """

    bytes: int
    bytes_by_rank: tuple[int, ...]
    parts: dict[str, int] = field(hash=False)
    source: str
    relative_error: float
    after_loading: int = 0
    warnings: tuple[str, ...] = ()


class _Split(NamedTuple):
    tp: int
    experts: int
    whole_experts: bool
    bytes_each: int
    mxfp4: Padding


class _Alike(NamedTuple):
    """Layers with the same tensors in the same formats."""

    numbers: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    formats: tuple[Format | None, ...]


class _Carried(NamedTuple):
    """The parts of a deployment that decide the weights of a rank."""

    split: _Split
    pp: int
    quantization: str | None
    draft_layers: int
    lora_ranks: int
    max_num_batched_tokens: int

    @classmethod
    def of(cls, gpu: GPU, settings: Settings) -> _Carried:
        layout = settings.layout
        later = rules_for(settings.vllm_version).pads_mxfp4_hidden_on_hopper
        split = _Split(
            layout.tp,
            layout.tp * layout.dp,
            layout.expert_parallel,
            BYTES_OF_DTYPE[settings.dtype],
            mxfp4_padding(gpu.generation, padded_later=later),
        )
        lora_ranks = settings.max_loras * settings.max_lora_rank
        tokens = settings.max_num_batched_tokens
        return cls(split, layout.pp, settings.quantization, settings.draft_layers, lora_ranks, tokens)


def weights_of(metadata: ModelMetadata, gpu: GPU, settings: Settings) -> Weights:
    """The weights of one rank for each pipeline stage, including room for adapters and draft layers.

    Experts are split over tensor and data parallel together, or kept whole and dealt out with `expert_parallel`
    (fused_moe/config.py:FusedMoEParallelConfig.make). Raises Refusal when the config lacks what its layers need.
    """
    return _with_staging(metadata, _Carried.of(gpu, settings))


@lru_cache(maxsize=2048)
def _with_staging(metadata: ModelMetadata, carried: _Carried) -> Weights:
    found = _weights(metadata, carried)
    staging = _staging(metadata, carried.max_num_batched_tokens) * carried.split.bytes_each
    if not staging:
        return found
    return replace(
        found,
        bytes=found.bytes + staging,
        bytes_by_rank=tuple(size + staging for size in found.bytes_by_rank),
        parts=found.parts | {"buffers": found.parts["buffers"] + staging},
    )


def _weights(metadata: ModelMetadata, carried: _Carried) -> Weights:
    split, pp, quantization, draft_layers, lora_ranks, _ = carried
    found = inventory(metadata)
    quantized = quantization_of(metadata, quantization)
    layers = _layer_parts(metadata, quantization, split)
    angles = rotary.table_bytes(metadata)
    ranks = []
    for stage, numbers in enumerate(stages(metadata.num_hidden_layers, pp)):
        parts: dict[str, float] = {}
        for tensor in _around(found, stage, pp):
            _add(parts, tensor.part, _stored(tensor, tensor.name, split, quantized))
        for alike, of_layer in layers:
            held = sum(number in numbers for number in alike)
            for part, size in of_layer.items():
                if held:
                    _add(parts, part, held * size)
        if lora_ranks:
            _add(parts, "adapters", _adapters(found.layers, numbers, split, lora_ranks))
        _add(parts, "buffers", angles)
        ranks.append(parts)
    if draft_layers:
        last = next(of_layer for alike, of_layer in layers if metadata.num_hidden_layers - 1 in alike)
        _add(ranks[-1], "draft", draft_layers * _drafting(metadata, last, split))
    after = [parts.pop(_AFTER_LOADING, 0.0) for parts in ranks]
    fullest = max(ranks, key=lambda parts: sum(parts.values()))
    source = metadata.source
    found_here = Weights(
        bytes=round(sum(fullest.values())),
        bytes_by_rank=tuple(round(sum(parts.values())) for parts in ranks),
        parts={part: round(size) for part, size in fullest.items()},
        source=source,
        relative_error=RELATIVE_ERROR.get(source, 0.01),
        after_loading=round(after[ranks.index(fullest)]),
        warnings=(*quantized.doubts, *(() if metadata.family.known else (_unknown(metadata),))),
    )
    return found_here if quantization else _held_to_headers(metadata, found_here, split.bytes_each)


def _held_to_headers(metadata: ModelMetadata, found: Weights, bytes_each: int) -> Weights:
    """The weights, scaled to the checkpoint's tensors where its config implies another size."""
    stated = loaded_bytes(metadata, bytes_each)
    if stated is None:
        return found if metadata.family.known else replace(found, relative_error=_UNKNOWN_ERROR)
    implied = _implied_bytes(metadata, bytes_each)
    ratio = stated / implied
    if abs(ratio - 1) <= _SAME:
        return found
    line = (
        f"the checkpoint's tensors take {gib(stated):.2f} GiB where its config implies {gib(implied):.2f}; "
        "the plan follows the tensors"
    )
    lines = () if metadata.quantization in _BITS_BY_TENSOR else (line,)
    # rotary tables and room for adapters are made, not read
    buffers = sum(found.parts.get(name, 0) for name in _MADE)
    return replace(
        found,
        bytes=round((found.bytes - buffers) * ratio) + buffers,
        bytes_by_rank=tuple(round((size - buffers) * ratio) + buffers for size in found.bytes_by_rank),
        parts={name: size if name in _MADE else round(size * ratio) for name, size in found.parts.items()},
        relative_error=_SCALED_ERROR,
        warnings=(*found.warnings, *lines),
    )


@lru_cache(maxsize=64)
def _implied_bytes(metadata: ModelMetadata, bytes_each: int) -> float:
    """Bytes of all tensors that the config implies, on one GPU and without padding."""
    found, quantized = inventory(metadata), quantization_of(metadata, None)
    whole = _Split(1, 1, False, bytes_each, UNPADDED)
    around = sum(_stored(tensor, tensor.name, whole, quantized) for tensor in _around(found, 0, 1))
    return around + sum(
        len(alike) * size
        for alike, parts in _layer_parts(metadata, None, whole)
        for part, size in parts.items()
        if part != _AFTER_LOADING
    )


def _unknown(metadata: ModelMetadata) -> str:
    name = metadata.architecture or metadata.model_type or "the architecture"
    return (
        f"{name} is not known here; its layers are taken to be like Llama's, which the band of the weights allows for"
    )


@lru_cache(maxsize=256)
def _layer_parts(
    metadata: ModelMetadata, quantization: str | None, split: _Split
) -> tuple[tuple[tuple[int, ...], Mapping[str, float]], ...]:
    """The numbers of identical decoder layers, and the bytes of one of them by part."""
    found = []
    for alike in _stored_alike(metadata, quantization):
        parts: dict[str, float] = {}
        for tensor, form in zip(alike.tensors, alike.formats, strict=True):
            size = _size(tensor, form, split)
            _add(parts, tensor.part, size)
            if form is MXFP4 and tensor.part == "experts":
                _add(parts, _AFTER_LOADING, size * split.mxfp4.layout_share)
            elif form is not None and tensor.absorbed:
                _add(parts, _AFTER_LOADING, _size(tensor, None, split))
        found.append((alike.numbers, parts))
    return tuple(found)


@lru_cache(maxsize=128)
def _stored_alike(metadata: ModelMetadata, quantization: str | None) -> tuple[_Alike, ...]:
    """The layers, grouped by tensors and formats: identical layers may differ in what stays unquantised.

    Hundreds of module names are matched with the checkpoint's own patterns here, however the model is split: so only
    once.
    """
    quantized = quantization_of(metadata, quantization)
    found = []
    for layer in inventory(metadata).layers:
        numbers_of: dict[tuple[Format | None, ...], list[int]] = {}
        for number in layer.numbers:
            formats = tuple(
                quantized.format_of(f"layers.{number}.{tensor.name}", tensor.part) if tensor.linear else None
                for tensor in layer.tensors
            )
            numbers_of.setdefault(formats, []).append(number)
        found += [_Alike(tuple(numbers), layer.tensors, formats) for formats, numbers in numbers_of.items()]
    return tuple(found)


def _drafting(metadata: ModelMetadata, last: Mapping[str, float], split: _Split) -> float:
    """Bytes of a draft layer: one like the model's last, and the projection of a hidden state and an embedding
    into one (models/deepseek_mtp.py); embedding and head are the model's own."""
    layer = sum(size for part, size in last.items() if part != _AFTER_LOADING)
    return layer + (2 * metadata.hidden_size + 3) * metadata.hidden_size * split.bytes_each


def _adapters(layers: Sequence[Layer], numbers: range, split: _Split, ranks: int) -> float:
    """Bytes that the layers of these numbers keep for adapters of `ranks` together: two thin matrices beside each
    linear one; the one on the split side is split (lora/layers)."""
    total = 0.0
    for layer in layers:
        held, sides = sum(number in numbers for number in layer.numbers), 0.0
        for tensor in layer.tensors:
            if tensor.linear:
                rows, columns, times = _local(tensor, split, padded=False)
                sides += (rows + columns) * times
        total += held * sides * ranks * split.bytes_each
    return total


def _around(found: Inventory, stage: int, pp: int) -> Iterator[Tensor]:
    """What the first and the last stage hold beside layers; towers are on the first (all of pp > 1 in vLLM)."""
    if stage == 0:
        yield from found.first
        yield from found.towers
    if stage == pp - 1:
        yield from found.last
        if found.tied and pp > 1:
            # the last stage holds its own copy of a tied embedding
            yield from found.first


def _stored(tensor: Tensor, name: str, split: _Split, quantized: Quantization) -> float:
    return _size(tensor, quantized.format_of(name, tensor.part) if tensor.linear else None, split)


def _size(tensor: Tensor, form: Format | None, split: _Split) -> float:
    """Bytes of a tensor on one rank."""
    rows, columns, times = _local(tensor, split, padded=form is MXFP4)
    if form is None:
        return rows * columns * times * (tensor.bytes_each or split.bytes_each)
    # an expert's two input matrices are one, so its width on this GPU is half their rows or its output's columns
    width = columns if tensor.split == "experts_out" else rows // 2 if tensor.split == "experts_in" else None
    return form.stored_bytes(rows, columns, width) * times


def _local(tensor: Tensor, split: _Split, *, padded: bool) -> tuple[int, int, int]:
    """Rows, columns and number of a tensor on one rank: the sharding table of linear.py,
    vocab_parallel_embedding.py and fused_moe."""
    rows, columns, times, tp = tensor.rows, tensor.columns, tensor.times, split.tp
    if tensor.heads and tensor.split != "heads" and tensor.heads % tp:
        return rows, columns, times
    if tensor.split == "column":
        return -(-rows // tp), columns, times
    if tensor.split == "row":
        return rows, -(-columns // tp), times
    if tensor.split == "heads":
        return rows // tensor.heads * max(1, -(-tensor.heads // tp)), columns, times
    if tensor.split == "vocabulary":
        return padded_vocabulary(rows) // tp, columns, times
    if tensor.split.startswith("experts"):
        ways = 1 if split.whole_experts else split.experts
        if split.whole_experts:
            times = -(-times // split.experts)
        if tensor.split == "experts_whole":
            return rows, columns, times
        inward = tensor.split == "experts_in"
        hidden, width = (columns, -(-rows // ways)) if inward else (rows, -(-columns // ways))
        if padded:
            hidden, width = (
                _padded(hidden, split.mxfp4.hidden),
                _padded(width, split.mxfp4.width * (2 if inward else 1)),
            )
        return (width, hidden, times) if inward else (hidden, width, times)
    return rows, columns, times


def _staging(metadata: ModelMetadata, tokens: int) -> int:
    """Values in the buffers in which Qwen3-VL passes deeper vision features to its layers, one for each batched token
    (models/qwen3_vl.py: deepstack_input_embeds)."""
    return deepstack_levels(metadata) * tokens * metadata.hidden_size


def padded_vocabulary(words: int) -> int:
    """Rows of an embedding over all ranks (vocab_parallel_embedding.py)."""
    return _padded(words, VOCABULARY_PADDING)


def _add(parts: dict[str, float], part: str, size: float) -> None:
    parts[part] = parts.get(part, 0.0) + size


def _padded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
