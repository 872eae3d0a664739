"""The values that a plan gives to fields left open, in the words of the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.fields import all_fields, text_of

if TYPE_CHECKING:
    from wizard_tui.planning.decision import Decision

NONE = "none"


def settled(decision: Decision) -> dict[str, str]:
    """Maps a field's path to the text that would set the same value explicitly; fields that no plan settles are left
    out."""
    settings, gpu = decision.estimate.settings, decision.estimate.gpu
    found = {
        **settings._asdict(),
        **{field.name: NONE for field in all_fields().values() if field.is_only_asked},
        "quantization": settings.quantization or NONE,
        "tensor_parallel_size": settings.layout.tp,
        "pipeline_parallel_size": settings.layout.pp,
        "data_parallel_size": settings.layout.dp,
        "enable_expert_parallel": settings.layout.expert_parallel,
        "params_b": f"{decision.facts.metadata.params_billions:.1f}",
        "vram_gb": f"{gib(gpu.total_bytes):.2f}",
        "used_gib": f"{gib(gpu.used_bytes):.2f}",
    }
    return {path: text_of(found[field.name]) for path, field in all_fields().items() if field.name in found}
