"""The estimate where little is known: memory from a parameter count and a few shape numbers.

The exact path (tensors, cache groups, measured terms) replaces this wherever a config or tensor headers are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from wizard_tui.engine.dtype import BYTES_OF_DTYPE
from wizard_tui.engine.kv_cache import default_block_size, kv_cache_facts, plain_ends, state_bytes
from wizard_tui.errors import Refusal
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.quantized import usual_format
from wizard_tui.models.stand_in import llama_config
from wizard_tui.planning.memory.kv_cache import BlockPool, Demand
from wizard_tui.schemas.choices import canonical_dtype, canonical_kv_cache_dtype
from wizard_tui.schemas.numbers import GIB


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
    """Bytes of one weight of a large layer, scales included. Raises Refusal for a dtype or method that is not known."""
    method = (quantization or "none").lower().replace("-", "_")
    if method == "none":
        return _bytes_of_dtype("bfloat16" if dtype == "auto" else dtype)
    if (stored := usual_format(method)) is None:
        raise Refusal(f"the size of quantization {quantization!r} is not known without tensor headers")
    return stored.bytes_each


def _bytes_of_dtype(dtype: str) -> int:
    size = BYTES_OF_DTYPE.get(str(canonical_dtype(dtype)))
    if size is None:
        raise Refusal(f"dtype {dtype!r} is not one of auto, {', '.join(BYTES_OF_DTYPE)}")
    return size


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

    Keys and values of every KV head of every layer, in whole blocks. Raises Refusal for sizes below one and for a type
    that is not known.
    """
    if context_len < 1 or concurrency < 1:
        raise Refusal("context_len and concurrency must be 1 or more")
    pool = cache_pool(metadata, kv_dtype, dtype)
    return int(pool.blocks_per_request(context_len) * concurrency * pool.bytes_per_block * fragmentation_factor)


def cache_pool(metadata: ModelMetadata, kv_dtype: str = "auto", dtype: str = "auto") -> BlockPool:
    """The KV cache of a model whose layers all attend in full: a block holds some tokens of every layer.

    Raises Refusal for a type that is not known.
    """
    formats, form = kv_cache_facts()["formats"], str(canonical_kv_cache_dtype(kv_dtype))
    own = each = 2 * metadata.head_dim * _bytes_of_dtype(metadata.dtype if dtype == "auto" else dtype)
    if form in formats:
        each = state_bytes(form, metadata.head_dim, metadata.head_dim)
    elif form != "auto":
        if canonical_dtype(form) not in BYTES_OF_DTYPE:
            raise Refusal(f"kv_dtype {kv_dtype!r} is not one of auto, {', '.join([*BYTES_OF_DTYPE, *formats])}")
        each = 2 * metadata.head_dim * _bytes_of_dtype(form)
    layers = metadata.num_hidden_layers
    unquantised = min(layers, 2 * plain_ends(form))
    tokens = default_block_size("heads", "other", quantized=form in formats)
    token_bytes = metadata.num_key_value_heads * (unquantised * own + (layers - unquantised) * each)
    return BlockPool(tokens * token_bytes, ((1, (Demand(tokens),)),))


def compute_overhead(vram_total_bytes: int, tp_size: int = 1, fixed_overhead_gb: float | None = None) -> int:
    """Bytes used on one GPU beside weights and KV cache, where neither model nor GPU is known.

    A flat share, in the middle of what vLLM 0.29 to 0.31 logged for 7 to 32 B models: 0.8 GiB of activations, graphs
    and buffers on small cards, 2 GiB on 80 GB cards, and 0.3 GiB more once GPUs communicate. `fixed_overhead_gb` (GiB)
    replaces it.
    """
    if vram_total_bytes <= 0 or tp_size < 1:
        raise Refusal("vram_total_bytes and tp_size must be positive")
    if fixed_overhead_gb is not None:
        return int(fixed_overhead_gb * GIB)
    return int((0.5 * GIB + 0.019 * vram_total_bytes) + (0.3 * GIB if tp_size > 1 else 0))
