"""Tensors of the encoders beside the language model: vision towers and their projectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wizard_tui.models.config_shapes import whole
from wizard_tui.models.family import family_of
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensor import Tensor

PART = "vision"
_DEPTH = ("depth", "num_hidden_layers", "vt_num_hidden_layers", "num_layers")
_WIDTH = ("embed_dim", "hidden_size", "vt_hidden_size")
_HEADS = ("num_heads", "num_attention_heads", "vt_num_attention_heads")
_INNER = ("intermediate_size", "vt_intermediate_size")
_MERGE = ("spatial_merge_size", "merge_kernel_size")


def tensors(metadata: ModelMetadata) -> tuple[Tensor, ...]:
    """The encoders of a model; none for a language model.

    `heads` of a tower's tensors are those of its attention: where tensor parallel does not divide them, every GPU holds
    the whole tower.
    """
    vision = metadata.config.get("vision_config")
    if not isinstance(vision, Mapping):
        return ()
    tower = (tensor._replace(heads=_first(vision, _HEADS) or 0) for tensor in _tower(metadata, vision))
    return (*tower, *_projector(metadata, vision))


def has_tower(metadata: ModelMetadata) -> bool:
    """Whether an encoder for pictures or sound stands beside the language model."""
    return bool(metadata.config.get("vision_config") or metadata.config.get("audio_config"))


def patches(metadata: ModelMetadata) -> str:
    """How the vision tower hands its patches on: `merged` by a network, `pooled`, or empty where there is no tower."""
    vision = metadata.config.get("vision_config")
    if not vision:
        return ""
    return "merged" if any(name in vision for name in _MERGE) else "pooled"


def deepstack_levels(metadata: ModelMetadata) -> int:
    """Layers of the vision tower whose features go into layers of the language model as well (Qwen3-VL)."""
    vision = metadata.config.get("vision_config")
    return len(vision.get("deepstack_visual_indexes") or ()) if isinstance(vision, Mapping) else 0


def _tower(metadata: ModelMetadata, vision: Mapping[str, Any]) -> Iterator[Tensor]:
    depth, width = _first(vision, _DEPTH), _first(vision, _WIDTH)
    if not depth or not width:
        return
    ratio = vision.get("mlp_ratio")
    inner = _first(vision, _INNER) or int(width * float(ratio or 4))
    # a tower that is served with several language models has its own model type
    gated = metadata.family.gated_tower or family_of(str(vision.get("model_type"))).gated_tower
    yield Tensor("visual.blocks.attn.qkv", PART, 3 * width, width, "column", times=depth)
    yield Tensor("visual.blocks.attn.proj", PART, width, width, "row", times=depth)
    yield Tensor("visual.blocks.mlp.up", PART, inner * (2 if gated else 1), width, "column", times=depth)
    yield Tensor("visual.blocks.mlp.down", PART, width, inner, "row", times=depth)
    patch = int(vision.get("patch_size") or 14)
    pixels = 3 * patch * patch * int(vision.get("temporal_patch_size") or 1)
    yield Tensor("visual.patch_embed", PART, width, pixels)
    positions = vision.get("num_position_embeddings")
    if axis := vision.get("position_embedding_size"):
        # Gemma 4: one table for rows and one for columns
        positions = 2 * int(axis)
    if positions is None and (size := whole(vision.get("image_size"))):
        positions = (size // patch) ** 2
    if positions:
        yield Tensor("visual.pos_embed", PART, int(positions), width)


def _projector(metadata: ModelMetadata, vision: Mapping[str, Any]) -> Iterator[Tensor]:
    width = _first(vision, _WIDTH)
    if not width:
        return
    out = int(vision.get("out_hidden_size") or metadata.hidden_size)
    merge = next((vision[name] for name in _MERGE if vision.get(name)), metadata.config.get("spatial_merge_size", 1))
    side = merge[0] if isinstance(merge, (list, tuple)) else int(merge)
    merged = width * side * side
    if metadata.family.pooled_tower:
        yield Tensor("projector", PART, out, width)
        return
    if shuffled := vision.get("projector_input_dim"):
        # Llama 4: neighbouring patches merged into one, two matrices, and a third into the language model
        inner, made = int(vision["intermediate_size"]), int(vision["projector_output_dim"])
        for name, rows, columns in (("fc1", shuffled, inner), ("fc2", made, shuffled), ("linear", out, made)):
            yield Tensor(f"projector.{name}", PART, int(rows), int(columns))
        return
    split, back = ("column", "row") if metadata.family.split_merger else ("", "")
    compression = vision.get("img_token_compression_config")
    if isinstance(compression, Mapping):
        # MiniMax-M3: a projector for each patch, and then one for each square of patches
        out, side = int(vision["projection_dim"]), int(compression.get("spatial_merge_size") or 1)
        for name, columns in (("projector", width), ("patch_merge_mlp", out * side * side)):
            yield Tensor(f"{name}.up", PART, out, columns, split)
            yield Tensor(f"{name}.down", PART, out, out, back)
        return
    times = 1 + deepstack_levels(metadata)
    yield Tensor("visual.merger.up", PART, merged, merged, split, times=times)
    yield Tensor("visual.merger.down", PART, out, merged, back, times=times)


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((found for name in names if (found := whole(config.get(name), 1)) is not None), None)
