"""What a model's family implies beyond its config.json: one record of traits, looked up by the config's model types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from wizard_tui.tables import read_table


@dataclass(frozen=True)
class Family:
    """The traits of a family; the defaults are Llama's.

    Tensors:
    `known`: its tensors were compared with vLLM's model class.
    `tied`: the output layer is the embedding, unless the config says otherwise.
    `ungated_mlp`: the feed-forward part has two matrices and no gate.
    `one_part_a_layer`: a layer is either a mixer or a feed-forward part, not both.
    `learned_positions`: a table of positions stands beside the token embedding.
    `gated_attention`: the output of attention passes a gate that is part of the query projection.
    `biased_everywhere`, `biased_queries`, `biased_experts`: which matrices have a bias: those of every layer, those
    that make queries, keys and values, those of the experts.
    `float32_router`: the router of a mixture is kept in float32.
    `shared_width_key`: the key that states the width of the shared expert, where it is not one of the usual keys.
    `split_merger`: tensor parallel splits the merger behind the vision tower; elsewhere every GPU holds all of it.
    `gated_tower`: the feed-forward parts of the vision tower have a gate.
    `pooled_tower`: the vision tower pools its patches, and one matrix projects them.

    Positions:
    `no_rotary`: no table of rotary angles. `float32_rotary`: the table is in float32.
    `stretches_full_layers_alone`: a scaling of the rotary positions does not apply to the layers with a window.
    `length_is_stretched`: `max_position_embeddings` is the length after scaling.

    Caches:
    `attention_free`: every layer is recurrent, and the config states no attention heads.
    `parallel_hybrid`: every layer has attention and a recurrent part side by side.
    `latent_attention`: vLLM runs multi-head latent attention where the config has `kv_lora_rank`.
    `attention_modules`: attention modules in what the config counts as one layer.
    `state_dtype`: type of the recurrent states where the config does not say; otherwise the model's own.
    `config_defaults`: values that the family's config class gives to keys missing from config.json.

    Serving:
    `no_float16`: activations overflow in float16, which vLLM therefore refuses.
    `fp8_cache_on`: the attention kernels (platforms.toml) with which `--kv-cache-dtype auto` is fp8.
    `draft_layers_key`: the key that counts the layers which vLLM's speculative method `mtp` runs.
    """

    known: bool = False
    tied: bool = False
    ungated_mlp: bool = False
    one_part_a_layer: bool = False
    learned_positions: bool = False
    gated_attention: bool = False
    biased_everywhere: bool = False
    biased_queries: bool = False
    biased_experts: bool = False
    float32_router: bool = False
    shared_width_key: str | None = None
    split_merger: bool = False
    gated_tower: bool = False
    pooled_tower: bool = False
    no_rotary: bool = False
    float32_rotary: bool = False
    stretches_full_layers_alone: bool = False
    length_is_stretched: bool = False
    attention_free: bool = False
    parallel_hybrid: bool = False
    latent_attention: bool = False
    attention_modules: int = 1
    state_dtype: str | None = None
    config_defaults: Mapping[str, Any] = field(default_factory=dict)
    no_float16: bool = False
    fp8_cache_on: str = ""
    draft_layers_key: str | None = None


@lru_cache(maxsize=256)
def family_of(*model_types: str) -> Family:
    """The family of a model whose config names these types: the whole model's first, its language model's last.

    The traits of all of them hold; where two contradict each other, the last one's holds. A type that is not in
    families.toml has none.
    """
    traits: dict[str, Any] = {}
    for model_type in model_types:
        traits |= _traits().get(model_type, {})
    return Family(**traits)


@lru_cache(maxsize=1)
def families() -> Mapping[str, tuple[str, ...]]:
    """The model types of every family, by its name in families.toml."""
    table = read_table(__package__, "families.toml")
    return {name: (name, *row.get("also", ())) for name, row in table.items()}


@lru_cache(maxsize=1)
def _traits() -> Mapping[str, Mapping[str, Any]]:
    """The stated traits of every model type, with those of the family that it is like."""
    traits: dict[str, dict[str, Any]] = {}
    for name, row in read_table(__package__, "families.toml").items():
        above = traits[row["like"]] if "like" in row else {}
        own = {trait: value for trait, value in row.items() if trait not in ("like", "also")}
        # false traits are left out, so that they contradict nothing that another type of the config says
        stated = {trait: value for trait, value in ({"known": True} | above | own).items() if value}
        traits |= dict.fromkeys((name, *row.get("also", ())), stated)
    return traits
