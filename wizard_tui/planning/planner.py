"""The planner: `run_plan(request) = plan(request, resolve(request))`. `plan` is arithmetic on facts."""

from __future__ import annotations

from wizard_tui.planning.accuracy import provenance
from wizard_tui.planning.decide import Decision, context_at_concurrency, decide
from wizard_tui.planning.memory.feasibility import oom_risk
from wizard_tui.planning.recommend import build_config
from wizard_tui.planning.speed import performance
from wizard_tui.planning.suggest import suggestions
from wizard_tui.planning.verdict import verdict, warnings
from wizard_tui.render import render_artifacts
from wizard_tui.resolve import Facts, resolve
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import (
    FeasibilityReport,
    KVCacheGroup,
    KVCachePlan,
    MemoryBreakdown,
    PlanResponse,
)


def run_plan(request: PlanRequest) -> PlanResponse:
    """Fetch the facts of a request and plan it.

    Raises Refusal or FileNotFoundError with one plain sentence when the model or the GPU cannot be resolved.
    """
    return plan(request, resolve(request))


def plan(request: PlanRequest, facts: Facts) -> PlanResponse:
    """The whole answer to a request from resolved facts, without input or output.

    About a millisecond for a model that was planned before (0.8 to 1.6 ms), and 4 to 23 ms for a new one, whose tensors
    are counted first; measured on one core.
    """
    decision = decide(request, facts)
    config = build_config(decision)
    return PlanResponse(
        feasibility=_feasibility(decision),
        memory=_memory(decision),
        kv_cache=_kv_cache(decision),
        config=config,
        performance=performance(request, facts.metadata, decision.estimate),
        artifacts=render_artifacts(config),
        accuracy=provenance(decision),
    )


def _feasibility(decision: Decision) -> FeasibilityReport:
    result, request = decision.estimate, decision.request
    settings = result.settings
    rest = result.overhead.budgeted
    return FeasibilityReport(
        fits=decision.fits,
        oom_risk=oom_risk(result.headroom, result.spare_at_worst) if decision.fits else "high",
        verdict=verdict(decision),
        vram_total_gib=gib(result.gpu.total_bytes),
        vram_target_alloc_gib=gib(result.budget),
        weights_gib=gib(result.weights.bytes),
        kv_cache_gib=gib(result.kv_needed),
        overhead_gib=gib(rest),
        headroom_gib=gib(result.headroom),
        max_concurrency_at_context=int(result.cache.max_concurrency) * settings.layout.dp,
        max_context_at_concurrency=context_at_concurrency(result, request, decision.facts.metadata),
        warnings=warnings(decision),
        suggestions=suggestions(decision),
    )


def _memory(decision: Decision) -> MemoryBreakdown:
    result = decision.estimate
    return MemoryBreakdown(
        total=result.gpu.total_bytes,
        used_by_others=result.gpu.used_bytes,
        budget=result.budget,
        weights=result.weights.bytes,
        activation_peak=result.overhead.activation_peak,
        cuda_graphs=result.overhead.budgeted_graphs,
        non_torch=result.overhead.non_torch,
        kv_available=result.kv_available,
        kv_needed=result.kv_needed,
        unbudgeted=result.overhead.unbudgeted,
        kv_available_range=(result.kv_low, result.kv_high),
    )


def _kv_cache(decision: Decision) -> KVCachePlan:
    result = decision.estimate
    cache, layout, length = result.cache, result.layout, result.settings.max_model_len
    low = layout.tokens(max(0, result.kv_low), length)
    high = layout.tokens(max(0, result.kv_high), length)
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
