"""How vLLM stores the KV cache: bytes by --kv-cache-dtype, and the block size where none is given."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from wizard_tui.tables import read_table

PLAIN = ("float32", "float16", "bfloat16")


@lru_cache(maxsize=1)
def kv_cache_facts() -> dict[str, Any]:
    """The tables of kv_cache.toml."""
    return read_table(__package__, "kv_cache.toml")


def kv_cache_dtypes() -> tuple[str, ...]:
    """Every --kv-cache-dtype that is known here, beside `auto`."""
    facts = kv_cache_facts()
    return (*PLAIN[1:], *facts["formats"], *facts["latent_formats"])


def state_bytes(kv_cache_dtype: str, head_dim: int, v_head_dim: int) -> int:
    """Bytes of one head's key and value for one token in a quantised format, with the scales that are stored inline."""
    form = kv_cache_facts()["formats"][kv_cache_dtype]
    key = math.ceil(head_dim * form["key_bits"] / 8) + form.get("key_bytes", 0)
    value = math.ceil(v_head_dim * form["value_bits"] / 8) + form.get("value_bytes", 0) if v_head_dim else 0
    total: int = key + value
    return total + total % 2 if form.get("even") else total


def plain_ends(kv_cache_dtype: str) -> int:
    """How many of the first and of the last attention layers of a dense model stay unquantised."""
    ends: int = kv_cache_facts()["formats"].get(kv_cache_dtype, {}).get("plain_ends", 0)
    return ends


def latent_bytes(kv_cache_dtype: str, head_dim: int) -> int:
    """Bytes of one latent vector (MLA) in a quantised format."""
    packed: int | None = kv_cache_facts()["latent_formats"].get(kv_cache_dtype)
    return state_bytes(kv_cache_dtype, head_dim, 0) if packed is None else packed


def default_block_size(attention: str, kernels: str, *, quantized: bool) -> int:
    """Tokens in a block when --block-size is left out, by kind of attention and the kernels that vLLM picks for it."""
    tokens: int = next(
        row["tokens"]
        for row in kv_cache_facts()["block_size"]
        if row["attention"] == attention
        and row.get("attention_kernels", kernels) == kernels
        and not (quantized and row.get("kv") == "auto")
    )
    return tokens
