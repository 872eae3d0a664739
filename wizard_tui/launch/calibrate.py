"""From a start to what it teaches: how much memory this machine takes beyond the plan."""

from __future__ import annotations

from datetime import datetime, timezone

from wizard_tui.hardware.observed import Observation
from wizard_tui.launch.startup_log import StartupLog
from wizard_tui.planning.decide import Decision
from wizard_tui.resolve import are_of_this_box
from wizard_tui.schemas.numbers import GIB


def observation(decision: Decision, log: StartupLog) -> Observation | None:
    """What a start of this plan on this machine showed; None where there is nothing to learn from.

    The budget being the same, what the KV cache did not get is what the rest took more. The correction that was in the
    plan already is counted in, so that it is replaced and not added to.
    """
    result = decision.estimate
    available = log.values.get("available_kv_gib")
    fixed = result.settings.kv_cache_memory_bytes is not None or decision.request.policy.overhead_gb is not None
    if available is None or fixed or not are_of_this_box(decision.facts.gpus):
        return None
    return Observation(
        gpu=result.gpu.name,
        vllm_version=str(log.values.get("version") or result.settings.vllm_version),
        model=decision.facts.metadata.model_id,
        layout=str(result.settings.layout),
        more_bytes=result.kv_available - round(available * GIB) + result.observed.more_bytes,
        at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
