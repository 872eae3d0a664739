"""Reads the shape of a model from its config.json, by the names that vLLM looks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# vllm/transformers_utils/config.py: where a multimodal config keeps its language part
_TEXT_CONFIGS = ("text_config", "llm_config", "language_config", "thinker_config", "decoder")
# DBRX and MPT keep the keys of attention and of the feed-forward part in groups
_GROUPS = ("attn_config", "ffn_config")


def text_config(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of a config that describes the language model: a nested one where there is one, else all of it."""
    for name in _TEXT_CONFIGS:
        nested = config.get(name)
        if isinstance(nested, Mapping):
            return text_config(nested)
    grouped = [part for name in _GROUPS if isinstance(part := config.get(name), Mapping)]
    return {key: value for part in (*grouped, config) for key, value in part.items()} if grouped else config
