"""A config for a model known only by its number of parameters: Llama's shape, stretched to that number."""

from __future__ import annotations

from typing import Any

# up to so many billions of parameters: layers, hidden size, attention heads, key-value heads, head size.
# Llama 3 and 3.1: https://arxiv.org/abs/2407.21783, table 3; below 8 B Llama 3.2
_SHAPES = (
    (2.0, (16, 2048, 32, 8, 64)),
    (5.0, (28, 3072, 24, 8, 128)),
    (20.0, (32, 4096, 32, 8, 128)),
    (150.0, (80, 8192, 64, 8, 128)),
    (float("inf"), (126, 16384, 128, 8, 128)),
)
_TIED_UP_TO = 5.0
_VOCABULARY = 128256
_CONTEXT = 131072
_WIDTH_STEP = 64


def llama_config(params_b: float) -> dict[str, Any]:
    """A config.json of about `params_b` billion parameters: the nearest Llama with its feed-forward width changed."""
    layers, hidden, heads, kv_heads, head_dim = next(shape for limit, shape in _SHAPES if params_b <= limit)
    tied = params_b <= _TIED_UP_TO
    attention = hidden * head_dim * 2 * (heads + kv_heads)
    beside = _VOCABULARY * hidden * (1 if tied else 2) + layers * (attention + 2 * hidden) + hidden
    width = (params_b * 1e9 - beside) / (3 * hidden * layers)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": max(_WIDTH_STEP, round(width / _WIDTH_STEP) * _WIDTH_STEP),
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": _VOCABULARY,
        "max_position_embeddings": _CONTEXT,
        "tie_word_embeddings": tied,
        "torch_dtype": "bfloat16",
    }
