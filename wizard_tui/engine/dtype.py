"""The precision in which vLLM serves a model on a GPU (config/model.py:_get_and_verify_dtype, platforms/cuda.py)."""

from __future__ import annotations

BYTES_OF_DTYPE = {"float16": 2, "bfloat16": 2, "float32": 4}
BFLOAT16_CAPABILITY = (8, 0)
# config/model.py:_FLOAT16_NOT_SUPPORTED_MODELS: their activations overflow
_NO_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "plamo2", "glm4"})


def served_dtype(stated: str, *, checkpoint: str, model_type: str, compute_capability: tuple[int, int] | None) -> str:
    """The precision that `--dtype` stands for: `auto` is the checkpoint's. A GPU without bfloat16 takes float16
    instead, or float32 for models that float16 cannot hold."""
    if stated != "auto":
        return stated
    if checkpoint == "bfloat16" and not _has_bfloat16(compute_capability):
        return "float32" if model_type in _NO_FLOAT16 else "float16"
    return "bfloat16" if checkpoint == "float16" and model_type in _NO_FLOAT16 else checkpoint


def dtype_refusal(stated: str, *, model_type: str, compute_capability: tuple[int, int] | None) -> str | None:
    """Why vLLM would refuse `--dtype`, with the cure in one sentence; None when it takes it."""
    if stated == "bfloat16" and not _has_bfloat16(compute_capability):
        return (
            f"bfloat16 needs compute capability 8.0, the GPU has {'.'.join(map(str, compute_capability or ()))}; "
            "take float16"
        )
    if stated == "float16" and model_type in _NO_FLOAT16:
        return f"vLLM does not serve {model_type} models in float16; take bfloat16 or float32"
    return None


def _has_bfloat16(compute_capability: tuple[int, int] | None) -> bool:
    return compute_capability is None or compute_capability >= BFLOAT16_CAPABILITY
