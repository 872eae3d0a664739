"""Which method vLLM takes for a checkpoint on a GPU, and the cure where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.engine.quantization import names, refusal, replacement

H100: dict[str, Any] = {"compute_capability": (9, 0)}


@pytest.mark.parametrize(
    ("method", "checkpoint", "gpu"),
    [
        ("fp8_per_tensor", None, H100),
        ("fp8", "fp8", H100),
        ("awq_marlin", "awq", H100),
        ("gptq_marlin", "gptq", H100),
        ("modelopt", "modelopt_fp4", H100),
        ("mxfp4", None, {"compute_capability": None}),
        ("nvfp4_per_token", None, {"compute_capability": (10, 0), "experts": True}),
        ("fp8_per_tensor", None, {"compute_capability": None, "vendor": "amd"}),
    ],
)
def test_what_is_taken(method: str, checkpoint: str | None, gpu: dict[str, Any]) -> None:
    assert refusal(method, checkpoint=checkpoint, **gpu) is None


@pytest.mark.parametrize(
    ("method", "checkpoint", "gpu", "sentence"),
    [
        ("fp9", None, H100, "vLLM has no quantization 'fp9'; fp8 is the nearest"),
        ("auto-round", None, H100, "vLLM has no quantization 'auto-round'; inc is the nearest"),
        ("xyz", None, H100, "vLLM has no quantization 'xyz'"),
        (
            "awq",
            "gptq",
            H100,
            "the checkpoint is quantised with gptq, which awq cannot read; leave quantization empty",
        ),
        (
            "fp8",
            None,
            H100,
            "fp8 needs a checkpoint that is already quantised, and this one is not; fp8_per_tensor quantises it while "
            "it loads",
        ),
        (
            "awq",
            None,
            H100,
            "awq needs a checkpoint that is already quantised, and this one is not; take a checkpoint made with it",
        ),
        (
            "experts_int8",
            None,
            H100,
            "experts_int8 quantises the experts of a mixture, and this model has none",
        ),
        (
            "nvfp4_per_token",
            None,
            {"compute_capability": (9, 0), "experts": True},
            "nvfp4_per_token needs compute capability 10.0, the GPU has 9.0",
        ),
        (
            "int8_per_channel_weight_only",
            None,
            {"compute_capability": None, "vendor": "amd", "experts": True},
            "vLLM has no int8_per_channel_weight_only on AMD GPUs",
        ),
    ],
)
def test_what_is_refused(method: str, checkpoint: str | None, gpu: dict[str, Any], sentence: str) -> None:
    assert refusal(method, checkpoint=checkpoint, **gpu) == sentence


def test_a_replacement_is_a_known_method() -> None:
    assert replacement("fp8") == "fp8_per_tensor"
    assert replacement("awq") is None
    assert {replacement(name) for name in ("fp8", "int8", "ptpc_fp8", "auto-round")} <= set(names())
