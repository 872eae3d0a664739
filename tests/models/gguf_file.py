"""Writes the header of a GGUF file: version 3, with keys and tensors and no data behind them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q8_0": 8, "Q4_K": 12, "Q6_K": 14}


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    if isinstance(item, str):
        return struct.pack("<I", 8) + text(item)
    if isinstance(item, float):
        return struct.pack("<If", 6, item)
    if isinstance(item, int):
        return struct.pack("<II", 4, item)
    if item and isinstance(item[0], str):
        return struct.pack("<IIQ", 9, 8, len(item)) + b"".join(map(text, item))
    return struct.pack("<IIQ", 9, 4, len(item)) + struct.pack(f"<{len(item)}I", *item)


def tensor(name: str, kind: str, shape: Sequence[int]) -> bytes:
    innermost_first = list(reversed(shape))
    return (
        text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *innermost_first) + struct.pack("<IQ", TYPES[kind], 0)
    )


def gguf(keys: Mapping[str, Any], tensors: Mapping[str, tuple[str, Sequence[int]]]) -> bytes:
    """The bytes of a header."""
    return (
        struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
        + b"".join(text(name) + value(item) for name, item in keys.items())
        + b"".join(tensor(name, kind, shape) for name, (kind, shape) in tensors.items())
    )


def llama(layers: int = 2, hidden: int = 256, inner: int = 512, words: int = 320) -> bytes:
    """A small Llama in Q4_K, its output layer in Q6_K as llama.cpp writes it."""
    keys = {
        "general.architecture": "llama",
        "general.name": "small",
        "llama.block_count": layers,
        "llama.embedding_length": hidden,
        "llama.feed_forward_length": inner,
        "llama.context_length": 4096,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.tokens": [f"t{number}" for number in range(words)],
        "tokenizer.ggml.token_type": [1] * words,
    }
    tensors: dict[str, tuple[str, Sequence[int]]] = {
        "token_embd.weight": ("Q4_K", (words, hidden)),
        "output_norm.weight": ("F32", (hidden,)),
        "output.weight": ("Q6_K", (words, hidden)),
    }
    for layer in range(layers):
        tensors |= {
            f"blk.{layer}.attn_norm.weight": ("F32", (hidden,)),
            f"blk.{layer}.attn_q.weight": ("Q4_K", (hidden, hidden)),
            f"blk.{layer}.attn_k.weight": ("Q4_K", (hidden // 2, hidden)),
            f"blk.{layer}.attn_v.weight": ("Q6_K", (hidden // 2, hidden)),
            f"blk.{layer}.attn_output.weight": ("Q4_K", (hidden, hidden)),
            f"blk.{layer}.ffn_gate.weight": ("Q4_K", (inner, hidden)),
            f"blk.{layer}.ffn_up.weight": ("Q4_K", (inner, hidden)),
            f"blk.{layer}.ffn_down.weight": ("Q6_K", (hidden, inner)),
            f"blk.{layer}.ffn_norm.weight": ("F32", (hidden,)),
        }
    return gguf(keys, tensors)
