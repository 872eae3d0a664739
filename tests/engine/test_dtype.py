"""Precision by GPU: rules of vLLM 0.33 (config/model.py, platforms/cuda.py)."""

from __future__ import annotations

import pytest

from wizard_tui.engine.dtype import dtype_refusal, served_dtype

T4, A100 = (7, 5), (8, 0)


@pytest.mark.parametrize(
    ("stated", "checkpoint", "model_type", "capability", "served"),
    [
        ("auto", "bfloat16", "llama", A100, "bfloat16"),
        ("auto", "bfloat16", "llama", None, "bfloat16"),
        ("auto", "bfloat16", "llama", T4, "float16"),
        ("auto", "float16", "llama", A100, "float16"),
        ("auto", "bfloat16", "gemma2", T4, "float32"),
        ("auto", "float16", "gemma3_text", A100, "bfloat16"),
        ("float32", "bfloat16", "llama", T4, "float32"),
    ],
)
def test_dtype_auto_is_resolved(
    stated: str, checkpoint: str, model_type: str, capability: tuple[int, int] | None, served: str
) -> None:
    assert served_dtype(stated, checkpoint=checkpoint, model_type=model_type, compute_capability=capability) == served


def test_what_is_refused_names_the_cure() -> None:
    refused = dtype_refusal("bfloat16", model_type="llama", compute_capability=T4)
    assert refused == "bfloat16 needs compute capability 8.0, the GPU has 7.5; take float16"
    refused = dtype_refusal("float16", model_type="gemma2", compute_capability=A100)
    assert refused is not None and "bfloat16" in refused
    assert dtype_refusal("bfloat16", model_type="llama", compute_capability=A100) is None
    assert dtype_refusal("float16", model_type="llama", compute_capability=T4) is None
