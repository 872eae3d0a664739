"""The request: spellings accepted, nonsense refused, nothing lost on a round trip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from wizard_tui.schemas.errors import one_sentence
from wizard_tui.schemas.inputs import PlanRequest


def request(**sections: dict[str, Any]) -> PlanRequest:
    sections.setdefault("model", {}).setdefault("model", "org/name")
    return PlanRequest.model_validate(sections)


@pytest.mark.parametrize(
    ("section", "field", "given", "kept"),
    [
        ("model", "dtype", "bf16", "bfloat16"),
        ("model", "dtype", "FP16", "float16"),
        ("model", "dtype", "half", "float16"),
        ("model", "kv_cache_dtype", "fp8_e4m3fn", "fp8_e4m3"),
        ("model", "max_model_len", "32K", 32768),
        ("model", "max_model_len", "8k", 8000),
        ("model", "max_model_len", "auto", None),
        ("model", "max_model_len", "", None),
        ("model", "quantization", "none", None),
        ("hardware", "vram_gib", "79.2 GiB", 79.2),
        ("hardware", "indices", "0,2", (0, 2)),
        ("hardware", "indices", " ", None),
        ("hardware", "tensor_parallel_size", "4", 4),
        ("policy", "kv_cache_memory_bytes", "10G", 10 << 30),
        ("workload", "concurrency", "1k", 1000),
    ],
)
def test_spellings(section: str, field: str, given: object, kept: object) -> None:
    parsed = getattr(request(**{section: {field: given}}), section)
    assert getattr(parsed, {"vram_gib": "vram_gb"}.get(field, field)) == kept


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("model", "max_model_len", 0),
        ("model", "max_model_len", -44838),
        ("model", "max_model_len", "many"),
        ("model", "max_model_len", 1 << 40),
        ("model", "dtype", "int3"),
        ("model", "kv_cache_dtype", "int8"),
        ("model", "params_b", -7),
        ("model", "params_b", float("nan")),
        ("model", "model", ""),
        ("hardware", "gpus", 0),
        ("hardware", "gpus", 1.5),
        ("hardware", "vram_gb", 0),
        ("hardware", "vram_gb", float("inf")),
        ("hardware", "tensor_parallel_size", -1),
        ("hardware", "interconnect", "string"),
        ("hardware", "indices", "a,b"),
        ("hardware", "indices", [1, 0, 1]),
        ("workload", "prompt_tokens", 0),
        ("workload", "concurrency", -1),
        ("workload", "batching_mode", "fast"),
        ("policy", "gpu_memory_utilization", 0),
        ("policy", "gpu_memory_utilization", 1.01),
        ("policy", "fragmentation_factor", 0.5),
        ("policy", "port", 70000),
        ("policy", "api_key_env", "$(secret)"),
        ("policy", "swap_space", 4),
    ],
)
def test_nonsense_is_refused_at_its_field(section: str, field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        request(**{section: {field: value}})
    assert any(error["loc"][:2] == (section, field) for error in caught.value.errors())


def fields(kinds: set[type]) -> list[tuple[str, str]]:
    """Every field of a request in which a value of one of these types may be."""

    def types(annotation: Any) -> Iterator[Any]:
        yield annotation
        for part in get_args(annotation):
            yield from types(part)

    return [
        (section, name)
        for section, part in PlanRequest.model_fields.items()
        for name, info in getattr(part.annotation, "model_fields", {}).items()
        if kinds & {one for one in types(info.annotation) if isinstance(one, type)}
    ]


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(("section", "field"), fields({int, float}))
def test_a_truth_value_is_no_number(section: str, field: str, value: bool) -> None:
    """As YAML has `yes` for one."""
    for given in (value, [value]) if field == "indices" else (value,):
        with pytest.raises(ValidationError) as caught:
            request(**{section: {field: given}})
        if given is not False or field != "indices":
            assert one_sentence(caught.value).startswith(f"{section}.{field} ")


LONG = [10**400, -(10**400), 10**5000, "9" * 400, "9" * 5000, 1e308, "1e400", "inf", "nan"]


@pytest.mark.parametrize("value", LONG, ids=range(len(LONG)))
@pytest.mark.parametrize(("section", "field"), fields({int, float}))
def test_a_number_of_any_length_is_one_sentence(section: str, field: str, value: Any) -> None:
    for given in (value, [value]) if field == "indices" else (value,):
        with pytest.raises(ValidationError) as caught:
            request(**{section: {field: given}})
        sentence = one_sentence(caught.value)
        assert sentence.startswith(f"{section}.{field} must be"), sentence
        assert len(sentence) < 200


CONTROLS = ["\x1b[31m", "\r", "\x07", "\0", "\x7f", "\x9b31m", "\u2028", "\u202e", "\ud800"]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(("section", "field"), fields({str}))
def test_no_text_has_control_characters(section: str, field: str, control: str) -> None:
    with pytest.raises(ValidationError) as caught:
        request(**{section: {field: f"a=b{control}c"}})
    assert one_sentence(caught.value).isprintable()


@pytest.mark.parametrize(("section", "field"), fields({str}))
def test_a_token_is_refused_and_not_shown(section: str, field: str) -> None:
    token = f"hf_{'a1B2c3D4e5' * 3}"
    for given in (token, f"sql={token}"):
        with pytest.raises(ValidationError) as caught:
            request(**{section: {field: given}})
        assert "a1B2" not in one_sentence(caught.value)
    with pytest.raises(ValidationError) as caught:
        request(**{section: {token: token}})
    assert "a1B2" not in one_sentence(caught.value)


def test_a_request_is_frozen_and_survives_json() -> None:
    made = request(hardware={"gpu": "H100", "gpus": 8, "indices": [1, 0]}, workload={"concurrency": 32})
    assert PlanRequest.model_validate_json(made.model_dump_json()) == made
    with pytest.raises(ValidationError):
        made.hardware.gpus = 2  # type: ignore[misc]


def test_every_field_describes_itself() -> None:
    """Help texts, form labels and error texts are read from the descriptions."""
    for section in ("model", "hardware", "workload", "policy"):
        model = PlanRequest.model_fields[section].annotation
        for name, field in model.model_fields.items():  # type: ignore[union-attr]
            assert field.description, f"{section}.{name}"
            assert len(field.description) <= 120, f"{section}.{name}"
