"""What a start teaches: how much memory this machine takes beyond the plan."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone

from wizard_tui.engine.versions import rules_for
from wizard_tui.errors import Refusal
from wizard_tui.hardware.observed import Observation
from wizard_tui.launch.startup_log import StartupLog
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.resolver import are_of_this_box
from wizard_tui.schemas.numbers import GIB


def more_bytes(decision: Decision, log: StartupLog) -> int | None:
    """Bytes outside the KV cache that a logged start of this plan took on one GPU beyond the uncorrected plan; None
    where the log or the plan does not tell.

    The budget is the same, so what the KV cache lacks is what the rest took in addition. A correction that the plan
    already had is included, so that the new one replaces it instead of adding to it.
    """
    result = decision.estimate
    available = log.values.get("available_kv_gib")
    fixed = result.settings.kv_cache_memory_bytes is not None or decision.request.policy.overhead_gb is not None
    if available is None or fixed:
        return None
    return result.kv_available - round(float(available) * GIB) + result.observed.more_bytes


def observation(decision: Decision, log: StartupLog) -> Observation | None:
    """What a start of this plan on this machine showed; None where there is nothing to learn from."""
    more = more_bytes(decision, log)
    if more is None or not are_of_this_box(decision.facts.gpus):
        return None
    release = decision.rules.release
    with suppress(Refusal):
        # the installed version may differ from the planned one, or be a build without a number
        release = rules_for(log.values.get("version") or decision.rules.version).release
    return _observed(decision, more, release, datetime.now(timezone.utc).isoformat(timespec="seconds"))


def corrected(decision: Decision, log: StartupLog) -> Decision:
    """The decision made again with what its logged start showed; unchanged where it showed nothing."""
    more = more_bytes(decision, log)
    if more is None:
        return decision
    seen = _observed(decision, more, decision.rules.release, at="")
    return decide(decision.request, replace(decision.facts, observed=(seen,)))


def _observed(decision: Decision, more: int, vllm_version: str, at: str) -> Observation:
    result = decision.estimate
    return Observation(
        gpu=result.gpu.name,
        vllm_version=vllm_version,
        model=decision.facts.metadata.model_id,
        layout=str(result.settings.layout),
        more_bytes=more,
        at=at,
    )
