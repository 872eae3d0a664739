"""The closed sets of words a plan request may use, and the other spellings people type for them."""

from __future__ import annotations

from typing import Literal

DType = Literal["auto", "float16", "bfloat16", "float32"]
Interconnect = Literal["unknown", "pcie", "nvlink"]
BatchingMode = Literal["throughput", "latency", "balanced"]
OOMRisk = Literal["low", "medium", "high"]

# vllm/config/cache.py:CacheDType of vLLM 0.33
KVCacheDType = Literal[
    "auto",
    "float16",
    "bfloat16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_inc",
    "fp8_ds_mla",
    "nvfp4",
    "nvfp4_4over6",
    "nvfp4_ds_mla",
    "fp8_per_token_head",
    "int8_per_token_head",
    "int4_per_token_head",
    "turboquant_k8v4",
    "turboquant_4bit_nc",
    "turboquant_k3v4_nc",
    "turboquant_3bit_nc",
]

# vllm/config/lora.py:MaxLoRARanks of vLLM 0.33
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)

_DTYPE_SPELLINGS = {
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
    "float": "float32",
}
_KV_SPELLINGS = {"fp16": "float16", "bf16": "bfloat16", "fp8_e4m3fn": "fp8_e4m3", "fp8_e5m2fn": "fp8_e5m2"}


def canonical_dtype(value: object) -> object:
    """Turn `fp16`, `BF16`, `half`, ... into the name vLLM's `--dtype` takes; anything else passes unchanged."""
    return _canonical(value, _DTYPE_SPELLINGS)


def canonical_kv_cache_dtype(value: object) -> object:
    """Turn `fp8_e4m3fn`, `bf16`, ... into the name vLLM's `--kv-cache-dtype` takes."""
    return _canonical(value, _KV_SPELLINGS)


def _canonical(value: object, spellings: dict[str, str]) -> object:
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    return spellings.get(word, word)
