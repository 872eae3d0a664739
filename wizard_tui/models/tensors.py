"""Parameters of Llama-like dense and MoE models, counted from the config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wizard_tui.models.architecture import text_config


def count_parameters(config: Mapping[str, Any]) -> tuple[int, int]:
    t = text_config(config)
    h = t.get("hidden_size") or t.get("n_embd") or 0
    layers = t.get("num_hidden_layers") or t.get("n_layer") or 0
    heads = t.get("num_attention_heads") or t.get("n_head") or 1
    kv = t.get("num_key_value_heads") or heads
    d = t.get("head_dim") or h // heads
    inter = t.get("intermediate_size") or 4 * h
    experts = t.get("num_experts") or t.get("num_local_experts") or t.get("n_routed_experts") or 0
    topk = t.get("num_experts_per_tok") or 0
    width = t.get("moe_intermediate_size") or inter
    attention = h * d * (2 * heads + 2 * kv) + 2 * h
    mlp = 3 * h * inter if not experts else h * experts
    routed = 3 * h * width
    embed = t.get("vocab_size", 0) * h * (1 if config.get("tie_word_embeddings") else 2)
    total = embed + layers * (attention + mlp + experts * routed) + h
    return total, embed + layers * (attention + mlp + topk * routed) + h
