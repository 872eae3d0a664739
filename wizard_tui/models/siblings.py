"""Checkpoints of the same model in fewer bits, found by their names in the catalogue."""

from __future__ import annotations

import re
from functools import lru_cache

from wizard_tui.models import catalog
from wizard_tui.models.load import metadata_from_catalog
from wizard_tui.models.metadata import ModelMetadata

# what makers append to the name of a model when they quantise it
_SUFFIX = re.compile(
    r"[-_.](fp8([-_](dynamic|static|block|kv|pertensor))*|awq([-_]int4)?|gptq([-_]int[48])?|int[48]|w\d+a\d+|4bit|8bit"
    r"|nvfp4|mxfp4|bnb|quantized)(?=$|[-_.])"
)


def siblings(metadata: ModelMetadata) -> tuple[ModelMetadata, ...]:
    """Quantised checkpoints of an unquantised model, largest first; none for one that is quantised already."""
    return () if metadata.quantization else _of(metadata.model_id)


@lru_cache(maxsize=64)
def _of(model_id: str) -> tuple[ModelMetadata, ...]:
    wanted = plain_name(model_id)
    named = [name for name in catalog.ids() if name != model_id and plain_name(name) == wanted]
    quantised = (each for each in map(metadata_from_catalog, named) if each.quantization)
    return tuple(sorted(quantised, key=_bits, reverse=True))


def plain_name(model_id: str) -> str:
    """The name of a model without its organisation and without the part that says how it is quantised."""
    name = model_id.rpartition("/")[2].lower().removeprefix("meta-")
    shorter = _SUFFIX.sub("", name)
    while shorter != name:
        name, shorter = shorter, _SUFFIX.sub("", shorter)
    return name


def _bits(metadata: ModelMetadata) -> float:
    from wizard_tui.models.quantized import quantization_of

    form = quantization_of(metadata).format_of("layers.0.mlp.up_proj", "mlp")
    return form.bits if form is not None else 16.0
