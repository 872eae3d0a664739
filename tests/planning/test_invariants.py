"""What holds for every request, drawn from the whole of the schema.

`make fuzz` draws 200,000: the properties share the number in EXAMPLES. Without it the same few are drawn each time.
"""

from __future__ import annotations

import json
import os
import shlex
from collections import Counter
from dataclasses import replace
from importlib.resources import files
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.planning.conftest import CONFIGS
from tests.planning.drawn import FIELDS, GPUS, MODELS, box, metadata_of, refused, requests
from wizard_tui.errors import Refusal
from wizard_tui.models import catalog
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched
from wizard_tui.render.arguments import serve_arguments
from wizard_tui.render.profile import render_profile
from wizard_tui.resolver import Facts, resolve_gpus
from wizard_tui.schemas.errors import one_sentence
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig
from wizard_tui.schemas.profile import parse_profile

PROPERTIES = 8  # below, each with the same share
EXAMPLES = int(os.environ.get("EXAMPLES", "480"))
SHARE = settings(
    max_examples=max(1, EXAMPLES // PROPERTIES),
    derandomize="EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
Drawn = tuple[PlanRequest, Facts | str]
FLAGS: dict[str, dict[str, Any]] = json.loads(
    files("wizard_tui.engine").joinpath("flags.json").read_text(encoding="utf-8")
)["flags"]


def planned(asked: PlanRequest, known: Facts | str) -> PlanResponse | None:
    """The plan; None where the request is refused, by a sentence that such a request may get."""
    if isinstance(known, str):
        return None
    try:
        return plan(asked, known)
    except Refusal as error:
        refused(asked, error)
        return None


def test_every_field_of_the_schema_is_drawn() -> None:
    sections: dict[str, Any] = {name: info.annotation for name, info in PlanRequest.model_fields.items()}
    assert sections.pop("explain") is bool
    assert {part: set(fields) for part, fields in FIELDS.items()} == {
        part: set(section.model_fields) for part, section in sections.items()
    }


def test_the_models_that_are_drawn_are_known() -> None:
    assert all(model in CONFIGS or catalog.find(model) for model in MODELS)


def test_most_of_what_is_drawn_is_planned() -> None:
    seen: Counter[bool] = Counter()

    @settings(SHARE, max_examples=200, derandomize=True)
    @given(requests())
    def count(drawn: Drawn) -> None:
        seen[planned(*drawn) is not None] += 1

    count()
    assert seen[True] > 0.7 * seen.total()


@SHARE
@given(requests())
def test_parts_add_up_and_ranges_contain_their_median(drawn: Drawn) -> None:
    if (response := planned(*drawn)) is None:
        return
    memory, tokens, feasibility = response.memory, response.kv_cache, response.feasibility
    parts = (memory.weights, memory.activation_peak, memory.cuda_graphs, memory.non_torch)
    assert sum(parts) + memory.kv_available == memory.budget
    assert min(parts) >= 0
    assert memory.kv_available_range[0] <= memory.kv_available <= memory.kv_available_range[1]
    assert 0 <= tokens.tokens_range[0] <= tokens.tokens <= tokens.tokens_range[1]
    for name, value in vars(response.performance).items():
        if name.endswith("_range"):
            assert 0 < value[0] <= value[1] < float("inf"), name
    assert feasibility.verdict
    assert "\n" not in feasibility.verdict
    if feasibility.fits:
        assert feasibility.oom_risk != "high"
        assert feasibility.headroom_gib >= drawn[0].policy.headroom_gb - 1e-6


@SHARE
@given(requests())
def test_every_flag_and_value_is_one_that_version_takes(drawn: Drawn) -> None:
    if (response := planned(*drawn)) is None:
        return
    config = response.config
    words = serve_arguments(config)
    read = read_arguments(words[1:], numbers_of(config.deployment.vllm_version))
    assert read["--max-model-len"] if config.max_model_len else "--max-model-len" not in read
    assert len(read) >= len([name for name, value in config if value is True])
    if config.deployment.nodes == 1:
        command = shlex.split(response.artifacts.serve_command.replace(" \\\n", " "))
        assert command[-len(words) :] == words, "the command says the same, quoted for a shell"


def numbers_of(version: str) -> tuple[int, ...]:
    """`0.33.1rc1` -> (0, 33, 1)"""
    return tuple(int("".join(char for char in part if char.isdigit())[:4] or 0) for part in version.split(".")[:3])


def read_arguments(words: list[str], version: tuple[int, ...]) -> dict[str, list[str]]:
    """Read an argument list as vLLM's parser does, by the table alone; fails where the parser would."""
    negative = {}
    for name, row in FLAGS.items():
        if row["kind"] == "bool":
            negative[row["off"] if version >= (0, 33, 0) else f"--no-{name[2:]}"] = name
    read: dict[str, list[str]] = {}
    at = ""
    for word in words:
        if not word.startswith("--"):
            assert at, f"{word!r} belongs to no flag"
            read[at].append(word)
            continue
        name, equals, value = word.partition("=")
        at = negative.get(name, name)
        assert at in FLAGS, f"{name} is no flag"
        assert at not in read, f"{at} comes twice"
        assert version >= numbers_of(FLAGS[at].get("since", "0")), f"{at} is too new for {version}"
        read[at] = [value] if equals else []
    for name, values in read.items():
        row = FLAGS[name]
        number = {"int": int, "float": float, "json": json.loads}.get(row["kind"], str)
        allowed = {"bool": (0,), "switch": (0,), "list": range(1, 99)}.get(row["kind"], (1,))
        assert len(values) in allowed, f"{name} {values}"
        for value in values:
            choices = row.get("choices")
            assert not choices or number(value) in choices, f"{name} {value}"
    return read


@SHARE
@given(requests())
def test_requests_answers_and_profiles_survive_being_written(drawn: Drawn) -> None:
    asked = drawn[0]
    assert PlanRequest.model_validate_json(asked.model_dump_json()) == asked
    assert parse_profile(render_profile(asked)).request() == asked
    if (response := planned(*drawn)) is not None:
        assert PlanResponse.model_validate_json(response.model_dump_json()) == response
        assert yaml.safe_load(response.artifacts.docker_compose)["services"]


def pinned(asked: PlanRequest, config: VLLMConfig, **model: Any) -> PlanRequest:
    """The same request with everything set that the planner or vLLM would choose by the size of the GPU."""
    data = asked.model_dump()
    data["model"] |= {"max_model_len": config.max_model_len or 4096, **model}
    data["hardware"] |= {
        "tensor_parallel_size": config.tensor_parallel_size or 1,
        "pipeline_parallel_size": config.pipeline_parallel_size or 1,
        "data_parallel_size": config.data_parallel_size or 1,
    }
    data["policy"] |= {
        "max_num_batched_tokens": data["policy"]["max_num_batched_tokens"] or 2048,
        "max_num_seqs": data["policy"]["max_num_seqs"] or 128,
        "gpu_memory_utilization": data["policy"]["gpu_memory_utilization"] or 0.9,
        "kv_cache_memory_bytes": None,
    }
    return PlanRequest.model_validate(data)


def planned_again(asked: PlanRequest, known: Facts) -> PlanResponse:
    """The plan of a request already planned with other sizes; it must not be refused now."""
    response = planned(asked, known)
    assert response is not None
    return response


@SHARE
@given(requests(), st.integers(1, 1 << 35))
def test_more_memory_never_holds_less(drawn: Drawn, more: int) -> None:
    asked, known = drawn
    if (first := planned(asked, known)) is None or isinstance(known, str):
        return
    asked = pinned(asked, first.config)
    larger = replace(known, gpus=tuple(replace(gpu, total_bytes=gpu.total_bytes + more) for gpu in known.gpus))
    before, after = planned_again(asked, known), planned_again(asked, larger)
    assert after.kv_cache.max_concurrency >= before.kv_cache.max_concurrency
    assert after.kv_cache.tokens >= before.kv_cache.tokens
    assert after.feasibility.fits >= before.feasibility.fits
    assert after.feasibility.max_concurrency_at_context >= before.feasibility.max_concurrency_at_context
    assert after.feasibility.max_context_at_concurrency >= before.feasibility.max_context_at_concurrency


@SHARE
@given(requests(), st.integers(1, 5))
def test_a_longer_context_never_serves_more_at_once(drawn: Drawn, times: int) -> None:
    asked, known = drawn
    if (first := planned(asked, known)) is None or isinstance(known, str):
        return
    length = first.config.max_model_len or 4096
    short = planned_again(pinned(asked, first.config, max_model_len=length), known)
    longer = min(1 << 30, length * (times + 1))
    long = planned_again(pinned(asked, first.config, max_model_len=longer), known)
    assert long.kv_cache.max_concurrency <= short.kv_cache.max_concurrency
    assert long.kv_cache.bytes_per_request >= short.kv_cache.bytes_per_request


@SHARE
@given(requests(), st.sampled_from((1, 2, 4)))
def test_more_tensor_parallelism_never_gives_a_rank_more(drawn: Drawn, tp: int) -> None:
    asked, known = drawn
    if (first := planned(asked, known)) is None or isinstance(known, str):
        return
    eight = replace(known, gpus=(known.gpus[0],) * 8)

    def of_a_rank(size: int) -> PlanResponse:
        data = pinned(asked, first.config).model_dump()
        data["hardware"] |= {"gpus": 8, "nodes": 1, "tensor_parallel_size": size, "pipeline_parallel_size": 1}
        data["hardware"] |= {"data_parallel_size": 1}
        return planned_again(PlanRequest.model_validate(data), eight)

    few, many = of_a_rank(tp), of_a_rank(2 * tp)
    assert many.memory.weights <= few.memory.weights
    assert many.kv_cache.bytes_per_request <= few.kv_cache.bytes_per_request


@SHARE
@given(requests())
def test_suggestions_can_be_taken(drawn: Drawn) -> None:
    asked, known = drawn
    if (response := planned(asked, known)) is None or isinstance(known, str):
        return
    for suggestion in response.feasibility.suggestions:
        changed, facts = patched(asked, suggestion.patch), known
        if changed.model.model != asked.model.model:
            facts = replace(facts, metadata=load_model_metadata(changed.model.model))
        if changed.hardware.gpus != asked.hardware.gpus:
            facts = replace(facts, gpus=facts.gpus[:1] * changed.hardware.gpus)
        after = planned_again(changed, facts)
        assert after.feasibility.fits, suggestion.title


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
# a field with a value of any kind, most often of another field; a section that is none; a key that is not known
OTHERS = st.one_of([strategy for fields in FIELDS.values() for strategy in fields.values()])
WRONG = st.lists(
    st.tuples(
        st.sampled_from([(part, name) for part, fields in FIELDS.items() for name in (*fields, "unheard_of", "")]),
        ANYTHING | OTHERS,
    ),
    min_size=1,
    max_size=4,
)


@SHARE
@given(WRONG, st.booleans(), st.sampled_from(GPUS))
def test_a_wrong_request_is_refused_by_the_documented_error_alone(
    wrong: list[tuple[tuple[str, str], Any]], as_json: bool, gpu: str
) -> None:
    data: dict[str, Any] = {"model": {"model": "llama-8b"}}
    for (part, name), value in wrong:
        if not name:
            data[part] = value
        elif isinstance(section := data.setdefault(part, {}), dict):
            section[name] = value
    try:
        asked = (
            PlanRequest.model_validate_json(json.dumps(data, default=str))
            if as_json
            else PlanRequest.model_validate(data)
        )
    except ValidationError as error:
        sentence = one_sentence(error)
        assert sentence.isprintable(), sentence
        assert any(part in sentence for part in FIELDS)
        return
    try:
        gpus = resolve_gpus(asked.hardware, detected=box(gpu))
    except Refusal as error:
        assert str(error)
        assert "\n" not in str(error)
        return
    asked_of_a_known_one = asked.model_copy(update={"model": asked.model.model_copy(update={"model": "llama-8b"})})
    planned(asked, Facts(metadata_of(asked_of_a_known_one), gpus))
