"""A model's facts, and where they are loaded from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ModelMetadata:
    """What the planner knows of a model; config-derived, immutable, hashable by identity.

    `config` is the checkpoint's config.json as plain data, `text_config` the part of it that describes the language
    model (the same object where nothing is nested). `num_params` counts what the checkpoint's architecture holds,
    `active_params` what one token passes through. `source` is `tensor headers`, `config`, `catalogue` or
    `parameter count`, best first.
    """

    model_id: str
    source: str
    architecture: str
    model_type: str
    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    vocab_size: int
    max_position_embeddings: int
    intermediate_size: int | None = None
    num_experts: int = 0
    num_experts_per_tok: int = 0
    moe_intermediate_size: int | None = None
    tie_word_embeddings: bool = False
    dtype: str = "bfloat16"
    quantization: str | None = None
    num_params: int = 0
    active_params: int = 0
    revision: str | None = None
    path: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    text_config: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    warnings: tuple[str, ...] = ()
