"""The planner: `run_plan(request) = plan(request, resolve(request))`. `plan` is arithmetic on facts."""

from __future__ import annotations

from typing import NamedTuple

from wizard_tui.planning.accuracy import provenance
from wizard_tui.planning.decide import context_at_concurrency, decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.memory.feasibility import oom_risk
from wizard_tui.planning.recommend import build_config
from wizard_tui.planning.speed import performance
from wizard_tui.planning.suggest import suggestions
from wizard_tui.planning.verdict import verdict, warnings
from wizard_tui.render import render_artifacts
from wizard_tui.resolver import Facts, resolve
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import (
    FeasibilityReport,
    KVCacheGroup,
    KVCachePlan,
    MemoryBreakdown,
    PlanResponse,
)


class Plan(NamedTuple):
    """The decision for a request, and the answer."""

    decision: Decision
    response: PlanResponse


def run_plan(request: PlanRequest) -> PlanResponse:
    """Fetch the facts of a request and plan it.

    Raises Refusal or FileNotFoundError with one plain sentence when the model or the GPU cannot be resolved.
    """
    return plan(request, resolve(request))


def plan(request: PlanRequest, facts: Facts) -> PlanResponse:
    """The whole answer to a request from resolved facts, without input or output.

    About a millisecond for a model planned before (0.8 to 1.6 ms), and 4 to 23 ms for a new one, whose tensors are
    counted first; measured on one core.
    """
    return make_plan(request, facts).response


def make_plan(request: PlanRequest, facts: Facts) -> Plan:
    """The same, together with the decision."""
    decision = decide(request, facts)
    return Plan(decision, response_of(decision))


def response_of(decision: Decision) -> PlanResponse:
    """The answer that a decision gives."""
    config = build_config(decision)
    return PlanResponse(
        feasibility=_feasibility(decision),
        memory=_memory(decision),
        kv_cache=_kv_cache(decision),
        config=config,
        performance=performance(decision),
        artifacts=render_artifacts(config),
        accuracy=provenance(decision),
    )


def _feasibility(decision: Decision) -> FeasibilityReport:
    memory = decision.estimate
    settings = memory.settings
    rest = memory.overhead.budgeted
    return FeasibilityReport(
        fits=decision.fits,
        oom_risk=oom_risk(memory.headroom, memory.spare_at_worst) if decision.fits else "high",
        verdict=verdict(decision),
        vram_total_gib=gib(memory.gpu.total_bytes),
        vram_target_alloc_gib=gib(memory.budget),
        weights_gib=gib(memory.weights.bytes),
        kv_cache_gib=gib(memory.kv_needed),
        overhead_gib=gib(rest),
        headroom_gib=gib(memory.headroom),
        max_concurrency_at_context=int(memory.cache.max_concurrency) * settings.layout.dp,
        max_context_at_concurrency=context_at_concurrency(decision),
        warnings=warnings(decision),
        suggestions=suggestions(decision),
    )


def _memory(decision: Decision) -> MemoryBreakdown:
    memory = decision.estimate
    return MemoryBreakdown(
        total=memory.gpu.total_bytes,
        used_by_others=memory.gpu.used_bytes,
        budget=memory.budget,
        weights=memory.weights.bytes,
        activation_peak=memory.overhead.activation_peak,
        cuda_graphs=memory.overhead.budgeted_graphs,
        non_torch=memory.overhead.non_torch,
        kv_available=memory.kv_available,
        kv_needed=memory.kv_needed,
        unbudgeted=memory.overhead.unbudgeted,
        kv_available_range=(memory.kv_low, memory.kv_high),
    )


def _kv_cache(decision: Decision) -> KVCachePlan:
    memory = decision.estimate
    cache, layout, length = memory.cache, memory.layout, memory.settings.max_model_len
    low = layout.tokens(max(0, memory.kv_low), length)
    high = layout.tokens(max(0, memory.kv_high), length)
    return KVCachePlan(
        block_size=cache.block_size,
        bytes_per_block=cache.bytes_per_block,
        num_blocks=cache.num_blocks,
        tokens=cache.tokens,
        max_model_len=length,
        max_concurrency=cache.max_concurrency,
        bytes_per_request=cache.bytes_per_request,
        estimated_max_model_len=cache.estimated_max_model_len,
        groups=[
            KVCacheGroup(kind=g.kind, layers=g.layers, block_size=g.block_size, page_size_bytes=g.page_size_bytes)
            for g in cache.groups
        ],
        tokens_range=(low, high),
    )
