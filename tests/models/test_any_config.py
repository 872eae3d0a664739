"""Configs of the catalogue, spoilt: each is planned, or refused by one sentence that names what is wrong."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.planning.conftest import LLAMA_8B
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models import catalog, config_shapes
from wizard_tui.models.caches import layer_kinds
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.quantized import quantization_of
from wizard_tui.planning.planner import plan
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import PlanRequest

EXAMPLES = int(os.environ.get("EXAMPLES", "250"))
CONFIGS: list[dict[str, Any]] = [json.loads(json.dumps(one.config, default=dict)) for one in catalog.entries()]
GPUS = (get_gpu_by_name("H100 80GB"),) * 2
REQUESTS = [
    PlanRequest.model_validate({"model": {"model": "org/name"}, **further})
    for further in (
        {},
        {"policy": {"vllm_version": "0.24.0"}},
        {"model": {"model": "org/name", "quantization": "fp8"}},
        {"hardware": {"gpus": 2, "tensor_parallel_size": 2}, "workload": {"batching_mode": "latency"}},
    )
]
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 3, 7, 128, 4096, (1 << 40) - 1, 1 << 40, 1 << 62, 10**30, 10**400, -(10**400), 1.5,
    -0.0, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), [10**400],
    {"factor": 10**400, "group_size": 10**400},
    "", "x", "16", "1e9", "fp8", "auto", "full_attention", [], [0], [1], [1] * 5, ["a"], [[]], [None], [{}], {},
    {"a": 1}, {"type": ["x"]}, {"type": None, "factor": 4}, {"rope_type": "yarn", "factor": 0}, {"quant_method": 5},
    {"quant_method": "fp8", "weight_block_size": [0, 0]}, {"quant_method": "awq", "bits": 0, "group_size": -128},
    {"quant_method": "compressed-tensors", "ignore": ["re:((", "re:(a+)+$", "lm_head"],
     "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 0}}}},
    {"config_groups": {"group_0": {"weights": {"num_bits": "x"}}}},
]  # fmt: skip


def places(part: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a config; of a long list the beginning."""
    pairs = part.items() if isinstance(part, dict) else enumerate(part[:4]) if isinstance(part, list) else ()
    for key, value in pairs:
        yield (*above, key)
        yield from places(value, (*above, key))


def at(part: Any, place: tuple[Any, ...]) -> Any:
    for key in place:
        part = part[key]
    return part


@st.composite
def spoilt_configs(draw: st.DrawFn) -> dict[str, Any]:
    """A real config of which some keys are gone, hold something odd, or what another model has there."""
    config = copy.deepcopy(draw(st.sampled_from(CONFIGS)))
    for _ in range(draw(st.integers(1, 4))):
        if not (found := list(places(config))):
            break
        *above, key = draw(st.sampled_from(found))
        part = at(config, tuple(above))
        change = draw(st.integers(0, 3))
        if change == 0:
            del part[key]
        elif change == 1:
            part[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
        else:
            other = draw(st.sampled_from(CONFIGS))
            place = draw(st.sampled_from(list(places(other))))
            value = copy.deepcopy(at(other, place) if change == 2 else draw(st.sampled_from(ODD)))
            if isinstance(place[-1], str):
                config[place[-1]] = value
            else:
                part[key] = value
    return config


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(spoilt_configs(), st.sampled_from(REQUESTS))
def test_a_spoilt_config_is_planned_or_refused_by_what_is_wrong_with_it(
    config: dict[str, Any], asked: PlanRequest
) -> None:
    try:
        metadata = metadata_from_config(config, model_id="org/name", source="config")
        response = plan(asked, Facts(metadata, GPUS[: asked.hardware.gpus]))
    except Refusal as error:
        assert "\n" not in str(error)
        return
    assert response.memory.weights > 0
    assert response.kv_cache.tokens >= 0
    assert type(response).model_validate_json(response.model_dump_json()) == response


def test_every_real_config_has_the_shapes_that_are_asked_of_it() -> None:
    for entry in catalog.entries():
        config_shapes.check(entry.config, entry.id)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sliding_window": "4096"}, "has `sliding_window` '4096', which must be a whole number from 0 on"),
        ({"model_type": 5}, "has `model_type` 5, which must be a word"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": float("nan")}}, "has `factor` nan, which must be a number"),
        ({"mamba_dt_rank": float("nan")}, "has `mamba_dt_rank` nan, which must be a whole number from 0 on, or auto"),
        ({"layer_types": ["full_attention", 3]}, "which must be a list of words"),
        ({"num_hidden_layers": 1 << 39}, "has 549,755,813,888 layers, which no model has"),
        ({"num_key_value_heads": 0}, "has `num_key_value_heads` 0, which must be a whole number above 0"),
        ({"num_key_value_heads": -8}, "has `num_key_value_heads` -8, which must be a whole number above 0"),
        ({"vocab_size": 10**400}, "has `vocab_size` 1000000000000000000000000000000000000..., which must be a whole"),
        ({"sliding_window": 10**400}, "which must be a whole number from 0 on"),
        ({"rope_scaling": {"rope_type": "linear", "factor": 10**400}}, "which must be a number from 0 on"),
        ({"vision_config": [1]}, "has `vision_config` [1], which must be an object with keys"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        metadata_from_config(LLAMA_8B | changed, model_id="org/name", source="config")


@pytest.mark.parametrize("stated", [10**30, 10**400, -1, True, "8192", float("inf")])
def test_a_length_that_cannot_be_is_none(stated: object) -> None:
    made = metadata_from_config(LLAMA_8B | {"model_max_length": stated}, model_id="org/name", source="config")
    assert made.max_position_embeddings == LLAMA_8B["max_position_embeddings"]


def test_an_empty_pattern_of_layers_says_nothing() -> None:
    made = metadata_from_config(LLAMA_8B | {"sliding_window_pattern": ""}, model_id="org/name", source="config")
    assert set(layer_kinds(made)) == {"full"}


def test_a_config_nested_without_end_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    with pytest.raises(ValueError, match="is nested too deeply"):
        metadata_from_config(LLAMA_8B | deep, model_id="org/name", source="config")


@pytest.mark.parametrize("expression", [r"re:(\w+)+!", r"re:(a|a)*$", "re:" + ".*" * 20 + "!", "re:(" * 200, "re:["])
def test_an_expression_that_may_run_for_ever_is_not_run(expression: str) -> None:
    """Module names are long enough for a search of that kind to outlast the reader."""
    stated = {"quant_method": "compressed-tensors", "ignore": [expression, "re:.*lm_head"],
              "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}}}  # fmt: skip
    metadata = metadata_from_config(LLAMA_8B | {"quantization_config": stated}, model_id="org/name", source="config")
    found = quantization_of(metadata)
    assert found.format_of("layers.0.self_attn.qkv_proj", "attention") is not None
    assert any("leaves modules out by" in doubt for doubt in found.doubts)
