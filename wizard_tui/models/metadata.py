"""What is known about a model, whatever the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from wizard_tui.models.family import Family, family_of

# a tensor's type as safetensors writes it (`BF16`, `F8_E4M3`, `U8`) and its shape
Header = tuple[str, tuple[int, ...]]

MOST_DRAFT_LAYERS = 15


@dataclass(frozen=True)
class Repository:
    """Facts around a model's config: how it may be used, and how large it is. None: not known.

    `checkpoint_bytes` is what a download of the weights takes, `pipeline_tag` the Hub's word for the task,
    `gated` whether the licence has to be accepted on the Hub first.
    """

    license: str | None = None
    gated: bool | None = None
    pipeline_tag: str | None = None
    checkpoint_bytes: int | None = None
    has_chat_template: bool | None = None
    has_generation_config: bool | None = None
    source: str | None = None


@dataclass(frozen=True, eq=False)
class ModelMetadata:
    """What the planner knows about a model; config-derived, immutable, hashable by identity.

    `config` is the checkpoint's config.json as plain data, `text_config` the part of it that describes the language
    model (the same object where nothing is nested). `num_params` counts what the checkpoint's architecture holds,
    `active_params` what one token passes through. `dtype` is what vLLM's `--dtype auto` makes of the checkpoint.
    `headers` has every tensor of the checkpoint by name, where its safetensors headers were read. `path` is set for a
    local directory. `source` is `tensor headers`, `config`, `catalogue` or `parameter count`, best first.
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
    config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    text_config: Mapping[str, Any] = field(default_factory=dict, repr=False)
    headers: Mapping[str, Header] = field(default_factory=dict, repr=False)
    repository: Repository = Repository()
    warnings: tuple[str, ...] = ()

    @property
    def params_billions(self) -> float:
        """All parameters in billions."""
        return self.num_params / 1e9

    @property
    def language_type(self) -> str:
        """The model_type of the language model; that of the whole model where nothing is nested."""
        return str(self.text_config.get("model_type") or self.model_type)

    @cached_property
    def family(self) -> Family:
        """What the model's family implies beyond its config.json."""
        return family_of(self.model_type, self.language_type)

    @cached_property
    def draft_layers(self) -> int:
        """Layers of the checkpoint that draft tokens and that vLLM can run; 0 where there are none."""
        key = self.family.draft_layers_key
        count = self.text_config.get(key, self.config.get(key)) if key else None
        return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count <= MOST_DRAFT_LAYERS else 0
