"""Speculative decoding with the layers for it that come with a checkpoint (multi-token prediction)."""

from __future__ import annotations

METHOD = "mtp"


def why_not_drafting(layers: int, tokens: int) -> str | None:
    """Why that many drafted tokens a step cannot come from that many layers; None when they can."""
    if not tokens:
        return None
    if not layers:
        return "the checkpoint has no layers that draft tokens (MTP); set speculative_tokens to 0"
    if tokens > layers and tokens % layers:
        return f"speculative_tokens {tokens} is no multiple of the checkpoint's {layers} drafting layers"
    return None
