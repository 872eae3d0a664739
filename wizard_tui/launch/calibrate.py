"""From a start to what it teaches: how much memory this machine takes beyond the plan."""

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
    """Bytes that a logged start of this plan took on one GPU beside the KV cache, less what the plan had before any
    correction; None where the log or the plan does not tell.

    The budget being the same, what the KV cache did not get is what the rest took more. The correction that was in the
    plan already is counted in, so that it is replaced and not added to.
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
        # what is installed may be another than was planned for, or a build without a number
        release = rules_for(log.values.get("version") or decision.rules.version).release
    return _observed(decision, more, release, datetime.now(timezone.utc).isoformat(timespec="seconds"))


def corrected(decision: Decision, log: StartupLog) -> Decision:
    """The decision again, with what a logged start of it showed; the same where it showed nothing."""
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
