"""Speculative decoding with the layers for it that come with a checkpoint (multi-token prediction)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from wizard_tui.tables import read_table

METHOD = "mtp"
SINCE = (0, 18, 0)
"""The first version in which one method name stands for all families; earlier ones are not recommended."""


def draft_layers(config: Mapping[str, Any], text_config: Mapping[str, Any]) -> int:
    """Layers of a checkpoint that draft tokens and that vLLM can run; 0 where there are none."""
    for key, model_types in _families().items():
        if {config.get("model_type"), text_config.get("model_type")} & set(model_types):
            count = text_config.get(key, config.get(key))
            return count if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 16 else 0
    return 0


def why_not_drafting(layers: int, tokens: int) -> str | None:
    """Why that many drafted tokens a step cannot come from that many layers; None when they can."""
    if not tokens:
        return None
    if not layers:
        return "the checkpoint has no layers that draft tokens (MTP); set speculative_tokens to 0"
    if tokens > layers and tokens % layers:
        return f"speculative_tokens {tokens} is no multiple of the checkpoint's {layers} drafting layers"
    return None


@lru_cache(maxsize=1)
def _families() -> dict[str, list[str]]:
    table = read_table(__package__, "speculation.toml")
    families: dict[str, list[str]] = table["draft_layers"]
    return families
