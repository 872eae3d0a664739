"""The request: spellings accepted, nonsense refused, nothing lost on a round trip."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

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
