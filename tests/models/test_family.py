"""What a family changes: every family of families.toml has a row in one of the tests' tables, this one the last."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import wizard_tui
from tests.models.test_caches import PATTERNS
from tests.models.test_catalog import ENTRIES, has_drafts
from tests.models.test_tensors import TOTALS
from wizard_tui.models import catalog, rotary
from wizard_tui.models.caches import StateCache, layer_caches
from wizard_tui.models.family import families, family_of
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.tensors import inventory

LOADED = Path(__file__).parents[1] / "data" / "loaded_weights.jsonl"

DENSE = {
    "hidden_size": 64,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 128,
    "max_position_embeddings": 32,
}
MIXTURE = DENSE | {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
LATENT = DENSE | {"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16}
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}

ATTENTION_BIASES = {"+self_attn.q_proj.bias", "+self_attn.k_proj.bias", "+self_attn.v_proj.bias"}
ALL_BIASES = ATTENTION_BIASES | {"+self_attn.o_proj.bias", "+mlp.up_proj.bias", "+mlp.down_proj.bias"}
LATENT_TENSORS = {
    "-self_attn.k_proj",
    "-self_attn.v_proj",
    "+self_attn.kv_a_proj_with_mqa",
    "+self_attn.kv_b_proj",
}
MERGER = {"visual.merger.up", "visual.merger.down"}

# By family: a config.json, or the id of a catalogue model, and what Llama of the same numbers has not. That is in the
# classes of vllm/model_executor/models, or where families.toml says.
ROWS: Mapping[str, tuple[Mapping[str, Any] | str, Mapping[str, object]]] = {
    "plamo2": (DENSE, {"no float16": True}),
    "cohere": (DENSE, {"tensors": {"-lm_head"}}),
    "persimmon": (DENSE, {"tensors": {"-mlp.gate_proj"}}),
    "codegen": (DENSE, {"tensors": ALL_BIASES | {"+mlp.gate_proj.bias"}}),
    "jais": (DENSE, {"tensors": ALL_BIASES | {"-mlp.gate_proj", "+embed_positions"}}),
    "gemma3n": (
        DENSE | {"vision_config": TOWER, "rope_scaling": {"rope_type": "linear", "factor": 4}},
        {"tensors": {"-lm_head", "+projector", "-visual.merger.up", "-visual.merger.down"}, "longest": 32},
    ),
    # a table of 65,536 positions for the layers whose angles are scaled, and one for those with a window
    "olmo3": ("allenai/Olmo-3.1-32B-Instruct", {"angles": 2 * (65536 + 65536) * 128}),
    "qwen2_5_vl": ("Qwen/Qwen2.5-VL-3B-Instruct", {"tensors": ATTENTION_BIASES | MERGER | {"visual.blocks.mlp.up"}}),
    "glm4v": (DENSE | {"vision_config": TOWER}, {"tensors": MERGER | {"visual.blocks.mlp.up"}}),
    "minimax_m3": (MIXTURE | {"vision_config": TOWER}, {"tensors": MERGER | {"mlp.gate"}}),
    "minimax_m3_vl": (
        MIXTURE | {"vision_config": TOWER, "num_mtp_modules": 1},
        {"tensors": MERGER | {"mlp.gate"}, "draft layers": 1},
    ),
    "glm4_moe": ("PrimeIntellect/INTELLECT-3", {"draft layers": 1}),
    "exaone_moe": (MIXTURE | {"num_nextn_predict_layers": 1}, {"draft layers": 1}),
    "qwen3_next": ("Qwen/Qwen3-Next-80B-A3B-Instruct", {"tensors": {"self_attn.q_proj"}}),
    "deepseek_v2": (LATENT, {"tensors": LATENT_TENSORS, "caches": [("latent", 0), ("latent", 1)]}),
    "axk1": (LATENT, {"tensors": LATENT_TENSORS, "caches": [("latent", 0), ("latent", 1)]}),
    "pangu_ultra_moe": (
        LATENT | {"num_nextn_predict_layers": 1},
        {"tensors": LATENT_TENSORS, "caches": [("latent", 0), ("latent", 1)], "draft layers": 1},
    ),
    "longcat_flash": (
        LATENT | {"num_nextn_predict_layers": 1},
        {"tensors": LATENT_TENSORS, "caches": [("latent", layer) for layer in (0, 0, 1, 1)], "draft layers": 1},
    ),
    "glm5_next": (
        LATENT
        | {
            "layer_types": ["linear_attention", "full_attention"],
            "linear_attn_config": {"num_heads": 4, "head_dim": 16, "short_conv_kernel_size": 4},
        },
        {
            # its recurrent layer has keys and values as well
            "tensors": {name.replace("-", "") for name in LATENT_TENSORS},
            "caches": [("kda", 0), ("latent", 1)],
            "state type": {"float32"},
            "fp8 cache on": "blackwell",
        },
    ),
    "rwkv": (DENSE, {"heads": 1, "tensors": {"self_attn.k_proj", "self_attn.v_proj"}, "angles": 2 * 32 * 64}),
}


def facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a family can change, as the plan sees it."""
    metadata = metadata_from_config(config, model_id="test/model", source="config")
    found = inventory(metadata)
    caches = layer_caches(metadata)
    return {
        "tensors": {(tensor.name, tensor.rows, tensor.bytes_each, tensor.split) for tensor, _ in found.all_tensors()},
        "angles": rotary.table_bytes(metadata),
        "caches": [(cache.kind, cache.layer) for cache in caches],
        "state type": {cache.dtype for cache in caches if isinstance(cache, StateCache)},
        "draft layers": metadata.draft_layers,
        "no float16": metadata.family.no_float16,
        "fp8 cache on": metadata.family.fp8_cache_on,
        "longest": metadata.max_position_embeddings,
        "heads": metadata.num_attention_heads,
    }


def unlike_llama(config: Mapping[str, Any]) -> dict[str, object]:
    """The facts that differ when the same config is called a Llama; of tensors the names, with + where only this family
    has it and - where only Llama has."""
    ours, theirs = facts(config), facts(as_llama(config))
    differing = {name: value for name, value in ours.items() if value != theirs[name]}
    if "tensors" in differing:
        names, others = ({row[0] for row in rows["tensors"]} for rows in (ours, theirs))
        changed = {row[0] for row in ours["tensors"] ^ theirs["tensors"]}
        signs = {name: "" if name in names & others else "+" if name in names else "-" for name in changed}
        differing["tensors"] = {sign + name for name, sign in signs.items()}
    return differing


def as_llama(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: as_llama(value) if isinstance(value, Mapping) else value for key, value in config.items()} | (
        {"model_type": "llama"} if "model_type" in config else {}
    )


def config_of(stated: Mapping[str, Any] | str, family: str) -> Mapping[str, Any]:
    if not isinstance(stated, str):
        return {"model_type": family, **stated}
    entry = catalog.find(stated)
    assert entry is not None
    return entry.config


def types_in(config: Mapping[str, Any]) -> Iterator[str]:
    for part in (config, config.get("text_config"), config.get("vision_config")):
        if isinstance(part, Mapping) and "model_type" in part:
            yield part["model_type"]


def seen_types() -> set[str]:
    """Every model type of the tests' tables, whose rows hold a fact from outside: parameters that the makers state,
    bytes counted on vLLM's classes, layers of a published config."""
    tables = [config for _, config in TOTALS.values()]
    tables += [config for config, _ in PATTERNS]
    tables += [entry.config for entry in ENTRIES if entry.params and not has_drafts(entry)]
    for line in LOADED.read_text(encoding="utf-8").splitlines():
        tables.append(dict(config_of(json.loads(line)["model"], "")))
    tables += [dict(config_of(stated, family)) for family, (stated, _) in ROWS.items()]
    return {model_type for config in tables for model_type in types_in(config)}


def test_every_family_has_a_row() -> None:
    seen = seen_types()
    assert [name for name, types in families().items() if seen.isdisjoint(types)] == []


@pytest.mark.parametrize("family", ROWS)
def test_what_a_family_has_that_llama_has_not(family: str) -> None:
    stated, expected = ROWS[family]
    assert unlike_llama(config_of(stated, family)) == expected


def test_a_model_has_the_traits_of_all_its_types() -> None:
    """A config.json may nest a language model of one family in a model of another."""
    both = family_of("qwen3_vl", "gpt_oss")
    assert (both.split_merger, both.biased_experts, both.known) == (True, True, True)
    # an unknown part takes nothing away, and neither does one that nobody compared
    assert family_of("mistral3", "never_seen") == family_of("mistral3")
    assert family_of("mistral3", "mistral4").known
    assert not family_of("mistral4").known


def test_a_type_belongs_to_one_family() -> None:
    types = [model_type for row in families().values() for model_type in row]
    assert len(types) == len(set(types))


def test_only_models_reads_a_config() -> None:
    """Planning asks what a model is; which key of config.json says so is decided once, in models."""
    package = Path(wizard_tui.__file__).parent
    readers = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in (package / "planning").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("config", "text_config")
    ]
    assert readers == []
