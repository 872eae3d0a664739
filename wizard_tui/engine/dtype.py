"""The precision in which vLLM serves a model on a GPU (config/model.py:_get_and_verify_dtype, platforms/cuda.py)."""

from __future__ import annotations

from wizard_tui.engine.platforms import nvidia_generation

BYTES_OF_DTYPE = {"float16": 2, "bfloat16": 2, "float32": 4}


def served_dtype(stated: str, *, checkpoint: str, no_float16: bool, compute_capability: tuple[int, int] | None) -> str:
    """What `--dtype` comes to: `auto` is the checkpoint's precision, but what the GPU computes in where it has no
    bfloat16 (float16, or float32 for models that have `no_float16`, as their activations overflow in it)."""
    if stated != "auto":
        return stated
    if checkpoint == "bfloat16" and not _has_bfloat16(compute_capability):
        return "float32" if no_float16 else "float16"
    return "bfloat16" if checkpoint == "float16" and no_float16 else checkpoint


def dtype_refusal(
    stated: str, *, model_type: str, no_float16: bool, compute_capability: tuple[int, int] | None
) -> str | None:
    """Why vLLM would refuse `--dtype`, with the cure in one sentence; None when it takes it."""
    if stated == "bfloat16" and not _has_bfloat16(compute_capability):
        return (
            f"bfloat16 needs compute capability 8.0, the GPU has {'.'.join(map(str, compute_capability or ()))}; "
            "take float16"
        )
    if stated == "float16" and no_float16:
        return f"vLLM does not serve {model_type} models in float16; take bfloat16 or float32"
    return None


def _has_bfloat16(compute_capability: tuple[int, int] | None) -> bool:
    return nvidia_generation(compute_capability).bfloat16
