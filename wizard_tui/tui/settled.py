"""What a plan makes of the fields that are left open, in the words of the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.fields import all_fields, text_of

if TYPE_CHECKING:
    from wizard_tui.planning.decide import Decision

NONE = "none"
# what no plan makes up
NOT_WITHOUT_BEING_ASKED = (
    "target_ttft_ms",
    "target_tpot_ms",
    "measured_toks_per_s",
    "measured_ttft_ms",
    "measured_tpot_ms",
    "api_key_env",
    "lora_modules",
)


def settled(decision: Decision) -> dict[str, str]:
    """Path of a field to the text that would say the same explicitly; fields that no plan settles are left out."""
    settings, gpu = decision.estimate.settings, decision.estimate.gpu
    found = {
        **settings._asdict(),
        **dict.fromkeys(NOT_WITHOUT_BEING_ASKED, NONE),
        "quantization": settings.quantization or NONE,
        "enable_prefix_caching": settings.prefix_caching,
        "tensor_parallel_size": settings.layout.tp,
        "pipeline_parallel_size": settings.layout.pp,
        "data_parallel_size": settings.layout.dp,
        "enable_expert_parallel": settings.layout.expert_parallel,
        "params_b": f"{decision.facts.metadata.params_billions:.1f}",
        "vram_gb": f"{gib(gpu.total_bytes):.2f}",
        "used_gib": f"{gib(gpu.used_bytes):.2f}",
    }
    return {path: text_of(found[field.name]) for path, field in all_fields().items() if field.name in found}
