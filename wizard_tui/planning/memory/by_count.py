"""The estimate where little is known: memory from a parameter count and a few shape numbers.

The exact path (tensors, cache groups, measured terms) replaces these wherever a config or tensor headers are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from wizard_tui.engine.dtype import BYTES_OF_DTYPE
from wizard_tui.errors import Refusal
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.stand_in import llama_config
from wizard_tui.schemas.choices import canonical_dtype
from wizard_tui.schemas.numbers import GIB

_BYTES_OF_DTYPE = {"auto": 2} | BYTES_OF_DTYPE

# Bytes a parameter of large layers, scales included: group 128 for int4, 16 for NVFP4, 32 for the MX formats.
# Layouts: vllm/model_executor/layers/quantization of vLLM 0.33.
BYTES_OF_QUANTIZATION = {
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp8": 1.03125,
    "awq": 0.5195,
    "gptq": 0.5156,
    "nvfp4": 0.5625,
    "mxfp4": 0.53125,
    "bitsandbytes": 0.5625,
    "gguf": 0.5625,
}

KV_BLOCK_TOKENS = 16


@dataclass(frozen=True)
class Shape:
    """The few numbers that size a dense decoder."""

    num_hidden_layers: int
    hidden_size: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int = 128


def llama_shape(params_b: float) -> Shape:
    """The Llama shape nearest above a parameter count in billions; a stand-in, to be named as a guess."""
    config = llama_config(params_b)
    return Shape(**{field.name: config[field.name] for field in fields(Shape)})


def bytes_per_parameter(dtype: str = "auto", quantization: str | None = None) -> float:
    """Bytes of one weight. Raises Refusal for a dtype or method that is not known."""
    method = (quantization or "none").lower().replace("-", "_")
    if method == "none":
        name = str(canonical_dtype(dtype))
        if name not in _BYTES_OF_DTYPE:
            raise Refusal(f"dtype {dtype!r} is not one of {', '.join(_BYTES_OF_DTYPE)}")
        return _BYTES_OF_DTYPE[name]
    known = [name for name in BYTES_OF_QUANTIZATION if name in method]
    if not known:
        raise Refusal(f"the size of quantization {quantization!r} is not known without tensor headers")
    return BYTES_OF_QUANTIZATION[max(known, key=len)]


def compute_weights_memory(params_b: float, dtype: str = "auto", quantization: str | None = None) -> int:
    """Bytes of all weights of a model of `params_b` billion parameters, before any sharding."""
    if params_b <= 0:
        raise Refusal("params_b must be positive")
    return int(params_b * 1e9 * bytes_per_parameter(dtype, quantization))


def compute_kv_cache_memory(
    metadata: ModelMetadata,
    context_len: int,
    concurrency: int,
    kv_dtype: str = "auto",
    dtype: str = "auto",
    fragmentation_factor: float = 1.0,
) -> int:
    """Bytes of KV cache for `concurrency` requests of `context_len` tokens on one GPU, every layer attending in full.

    GQA-aware: two tensors of KV heads x head size a token and layer, in blocks of 16 tokens. Raises Refusal for
    sizes below one.
    """
    if context_len < 1 or concurrency < 1:
        raise Refusal("context_len and concurrency must be 1 or more")
    return kv_bytes_of_requests(metadata, context_len, concurrency, kv_dtype, dtype, fragmentation_factor)


def kv_bytes_of_requests(
    metadata: ModelMetadata, tokens: int, requests: int, kv_dtype: str, dtype: str, fragmentation_factor: float
) -> int:
    """The arithmetic of `compute_kv_cache_memory`, zero tokens allowed."""
    blocks = -(-tokens // KV_BLOCK_TOKENS)
    per_token = 2 * metadata.num_hidden_layers * metadata.num_key_value_heads * metadata.head_dim
    size = per_token * _kv_element_bytes(kv_dtype, dtype if dtype != "auto" else metadata.dtype)
    return int(blocks * KV_BLOCK_TOKENS * requests * size * fragmentation_factor)


def _kv_element_bytes(kv_dtype: str, dtype: str) -> float:
    if kv_dtype.startswith(("fp8", "int8")):
        return 1.0
    if kv_dtype.startswith(("nvfp4", "int4", "turboquant")):
        return 0.5625
    return _BYTES_OF_DTYPE.get(str(canonical_dtype(kv_dtype if kv_dtype != "auto" else dtype)), 2.0)


def compute_overhead(vram_total_bytes: int, tp_size: int = 1, fixed_overhead_gb: float | None = None) -> int:
    """Bytes of one GPU beside weights and KV cache, where neither model nor GPU is known.

    A flat share, in the middle of what vLLM 0.29 to 0.31 logged for 7 to 32 B models: 0.8 GiB of activations, graphs
    and buffers on small cards, 2 GiB on 80 GB cards, and 0.3 GiB more once GPUs communicate. `fixed_overhead_gb` (GiB)
    replaces it.
    """
    if vram_total_bytes <= 0 or tp_size < 1:
        raise Refusal("vram_total_bytes and tp_size must be positive")
    if fixed_overhead_gb is not None:
        return int(fixed_overhead_gb * GIB)
    return int((0.5 * GIB + 0.019 * vram_total_bytes) + (0.3 * GIB if tp_size > 1 else 0))
