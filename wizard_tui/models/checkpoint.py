"""What a checkpoint's own tensors say about the memory it takes, from the headers of its safetensors files."""

from __future__ import annotations

import math
import re

from wizard_tui.models.gguf import element_bytes
from wizard_tui.models.metadata import Header, ModelMetadata
from wizard_tui.models.tensor_headers import ELEMENT_BYTES

# unquantised weights, which vLLM loads in the precision that it serves in; scales keep their own
_PLAIN = frozenset({"F64", "F32", "F16", "BF16"})
_SCALE = re.compile(r"(scale|scales|zero_point|zeros|amax|_bias_correction|inv|g_idx|absmax)(_\d+|_inv)?$")
# what vLLM's loaders skip: layers that draft (models/utils.py and each model's load_weights), inverse frequencies,
# masks
_NOT_LOADED = re.compile(r"(^|\.)(mtp|nextn|eagle|draft)[^.]*\.|rotary_emb\.inv_freq$|\.attn\.(bias|masked_bias)$")
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks|blk)\.(\d+)\.")
_TOWER = re.compile(r"(^|\.)(visual|vision|audio|image)[^.]*\.")


def loaded_bytes(metadata: ModelMetadata, bytes_each: int) -> int | None:
    """Total bytes of the checkpoint's tensors that vLLM loads; None without headers.

    `bytes_each` is the size of a weight in the served precision. Drafting layers beyond the model's own are not loaded,
    and an output layer that is the embedding is loaded once.
    """
    if not metadata.headers:
        return None
    total = 0.0
    sizes = {**element_bytes(), **ELEMENT_BYTES}
    for name, (kind, shape) in metadata.headers.items():
        if not _is_loaded(metadata, name):
            continue
        plain = kind in _PLAIN and not _SCALE.search(name)
        total += math.prod(shape) * (bytes_each if plain else sizes.get(kind, bytes_each))
    return round(total)


def summed(metadata: ModelMetadata) -> dict[str, Header]:
    """The headers of what vLLM loads, added up by type: all that `loaded_bytes` needs, in a few lines."""
    totals: dict[str, Header] = {}
    for name, (kind, shape) in metadata.headers.items():
        if _is_loaded(metadata, name):
            key = f"{kind}.scale" if _SCALE.search(name) else f"{kind}.weight"
            count = totals[key][1][0] if key in totals else 0
            totals[key] = (kind, (count + math.prod(shape),))
    return totals


def _is_loaded(metadata: ModelMetadata, name: str) -> bool:
    if _NOT_LOADED.search(name):
        return False
    if metadata.tie_word_embeddings and name.endswith("lm_head.weight"):
        return False
    layer = _LAYER.search(name)
    return layer is None or bool(_TOWER.search(name)) or int(layer[1]) < metadata.num_hidden_layers
