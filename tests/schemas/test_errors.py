"""Errors in plain words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from wizard_tui.schemas.errors import field_errors, one_sentence
from wizard_tui.schemas.inputs import PlanRequest


def errors(**sections: Any) -> dict[str, str]:
    sections.setdefault("model", {"model": "org/name"})
    with pytest.raises(ValidationError) as caught:
        PlanRequest.model_validate(sections)
    return field_errors(caught.value)


@pytest.mark.parametrize(
    ("section", "field", "value", "sentence"),
    [
        ("hardware", "gpus", 0, "must be 1 or more, not 0"),
        ("hardware", "gpus", "-2", "must be 1 or more, not -2"),
        ("hardware", "gpus", "two", "must be a number, not 'two'"),
        ("hardware", "gpus", 1.5, "must be a whole number, not 1.5"),
        ("hardware", "vram_gb", 0, "must be more than 0, not 0"),
        ("hardware", "vram_gb", "many", "must be a number, not 'many'"),
        ("policy", "gpu_memory_utilization", 1.2, "must be 1 or less, not 1.2"),
        ("policy", "port", 70000, "must be 65,535 or less, not 70000"),
        ("policy", "swap_space", 4, "is not a known field"),
        ("policy", "enforce_eager", "perhaps", "must be true or false, not 'perhaps'"),
        ("workload", "prompt_tokens", "x" * 99, f"must be a number, not '{'x' * 36}..."),
        ("model", "model", "", "must not be empty"),
    ],
)
def test_one_sentence_says_what_is_allowed(section: str, field: str, value: object, sentence: str) -> None:
    sections = {"model": {"model": "org/name"}}
    sections[section] = sections.get(section, {}) | {field: value}
    assert errors(**sections) == {f"{section}.{field}": sentence}


def test_choices_are_listed_with_the_nearest() -> None:
    found = errors(model={"model": "a", "kv_cache_dtype": "fp8_e4m33"})["model.kv_cache_dtype"]
    assert "auto, float16" in found
    assert found.endswith("did you mean fp8_e4m3?")


def test_a_missing_model_and_a_wrong_section() -> None:
    assert errors(model={}) == {"model.model": "is needed"}
    assert errors(hardware=3) == {"hardware": "must be a section with fields"}


def test_a_line_for_the_terminal() -> None:
    with pytest.raises(ValidationError) as caught:
        PlanRequest.model_validate({"model": {"model": "a"}, "hardware": {"gpus": 0}, "workload": {"concurrency": 0}})
    assert one_sentence(caught.value) == (
        "hardware.gpus must be 1 or more, not 0; workload.concurrency must be 1 or more, not 0"
    )


def test_a_key_with_control_characters_stays_on_its_line() -> None:
    with pytest.raises(ValidationError) as caught:
        PlanRequest.model_validate({"model": {"model": "org/name"}, "policy": {"a\x1b[31m\nb": 1}})
    assert one_sentence(caught.value) == "policy.a?[31m?b is not a known field"
