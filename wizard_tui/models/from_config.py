"""A model's facts, read out of its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard_tui.models import config_keys as keys
from wizard_tui.models import config_shapes
from wizard_tui.models.family import family_of
from wizard_tui.models.metadata import Header, ModelMetadata, Repository
from wizard_tui.models.tensors import count_parameters


def metadata_from_config(
    config: Mapping[str, Any],
    *,
    model_id: str,
    source: str,
    revision: str | None = None,
    path: str | None = None,
    headers: Mapping[str, Header] | None = None,
    repository: Repository | None = None,
    warnings: tuple[str, ...] = (),
) -> ModelMetadata:
    """Read the facts out of a config.json.

    Raises a Refusal that names the key when one is missing or impossible, such as zero layers.
    """
    where = f"config.json of {model_id}"
    config_shapes.check(config, where)
    text = keys.text_config(config)
    layers = keys.num_hidden_layers(text, where)
    hidden = keys.needed(text, "hidden_size", where)
    language_type = str(text.get("model_type") or config.get("model_type") or "")
    model_type = str(config.get("model_type") or language_type)
    family = family_of(model_type, language_type)
    heads = 1 if family.attention_free else keys.needed(text, "num_attention_heads", where)
    experts = keys.num_experts(text, where)
    intermediate = keys.intermediate_size(text, where)
    vocabulary = keys.needed(text, "vocab_size", where)
    made = ModelMetadata(
        model_id=model_id,
        source=source,
        architecture=keys.architecture_name(config, text),
        model_type=model_type,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=heads,
        num_key_value_heads=1 if family.attention_free else keys.num_key_value_heads(text, heads, where),
        head_dim=keys.optional(text, "head_dim", where) or hidden // heads,
        vocab_size=vocabulary,
        max_position_embeddings=keys.max_length(config, text, stretched=family.length_is_stretched),
        intermediate_size=intermediate,
        num_experts=experts,
        num_experts_per_tok=(keys.optional(text, "num_experts_per_tok", where) or 0) if experts else 0,
        moe_intermediate_size=(keys.optional(text, "moe_intermediate_size", where) or intermediate)
        if experts
        else None,
        tie_word_embeddings=keys.tied_embeddings(config, text),
        dtype=keys.dtype(config, text),
        quantization=keys.quantization_method(config, text),
        revision=revision,
        path=path,
        config=config,
        text_config=text,
        headers=headers or {},
        repository=repository or Repository(),
        warnings=warnings,
    )
    total, active = count_parameters(made)
    # in place, because every cached table of a model finds it by identity
    object.__setattr__(made, "num_params", total)
    object.__setattr__(made, "active_params", active)
    return made
