"""What would help? Every candidate change is planned; those that help are ranked by their cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from wizard_tui.engine.quantization import replacement
from wizard_tui.models.siblings import siblings
from wizard_tui.planning.decide import decide, safe_utilisation
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.estimate import requests_that_fit
from wizard_tui.planning.settings import Layout
from wizard_tui.planning.speed import forecast
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import MAX_GPUS, PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import Suggestion

Patch = dict[str, dict[str, Any]]

AT_MOST = 5
BOX_SIZES = (2, 4, 8)
SMALL_CAPTURE = 64
WORTH_NAMING = 1.15
"""A change that neither makes the plan fit nor gives a seventh more concurrency is not worth a line."""


def suggestions(decision: Decision) -> list[Suggestion]:
    """Changes to the request that make it fit, or give clearly more room; cheapest in quality first."""
    found: list[Suggestion] = []
    for patch in _candidates(decision):
        if _adds_gpus(patch) and any(_adds_gpus(one.patch) for one in found):
            continue
        offer, changed = _planned(decision, patch)
        gain = _gain(decision, changed)
        if gain is not None:
            found.append(Suggestion(title=f"{_change(decision, patch)}: {gain}", patch=offer, gain=gain))
        if len(found) == AT_MOST:
            break
    return found


def _planned(decision: Decision, patch: Patch) -> tuple[Patch, Decision]:
    """A change and the plan it gives. When the plan fits, a change to anything else keeps the layout: freed memory
    goes to the users, not to a smaller layout."""
    facts, layout = _facts_with(decision.facts, patch), decision.estimate.settings.layout
    changed = decide(patched(decision.request, patch), facts)
    if not decision.fits or "hardware" in patch or changed.estimate.settings.layout == layout:
        return patch, changed
    patch = {**patch, "hardware": layout_patch(decision, layout)}
    return patch, decide(patched(decision.request, patch), facts)


def layout_patch(decision: Decision, layout: Layout) -> dict[str, int | None]:
    """The hardware fields that pin a decision's request to this layout. A single copy needs no flag, nor does a single
    stage where there is no room for a second one."""
    hardware = decision.request.hardware
    room = len(decision.facts.gpus) * hardware.nodes >= 2 * layout.gpus
    one_stage = 1 if room or hardware.pipeline_parallel_size else None
    return {
        "tensor_parallel_size": layout.tp,
        "pipeline_parallel_size": layout.pp if layout.pp > 1 else one_stage,
        "data_parallel_size": layout.dp if layout.dp > 1 else None,
    }


def _adds_gpus(patch: Patch) -> bool:
    return "gpus" in patch.get("hardware", {})


def patched(request: PlanRequest, patch: Mapping[str, Mapping[str, Any]]) -> PlanRequest:
    """The request with a patch merged in, validated again; what the user set stays set unless the patch changes it."""
    changed = {}
    for name, fields in patch.items():
        section = getattr(request, name)
        changed[name] = section.model_validate(section.model_dump(exclude_unset=True) | dict(fields))
    return request.model_copy(update=changed)


def _candidates(decision: Decision) -> Iterator[Patch]:
    """Single changes, cheapest first: free ones, then memory for speed, then quality, then fewer users or less text."""
    request, memory = decision.request, decision.estimate
    settings, gpu, facts = memory.settings, memory.gpu, decision.facts
    hardware, policy = request.hardware, request.policy
    if not decision.fits and hardware.tensor_parallel_size and (decision.problem or decision.idle_gpus):
        yield {"hardware": {"tensor_parallel_size": None}}
    if decision.problem and request.model.quantization:
        if (other := replacement(request.model.quantization)) is not None:
            yield {"model": {"quantization": other}}
        yield {"model": {"quantization": None}}
    if memory.starts and decision.idle_gpus >= settings.layout.gpus:
        replicas = settings.layout.dp * (1 + decision.idle_gpus // settings.layout.gpus)
        yield {"hardware": layout_patch(decision, settings.layout._replace(dp=min(MAX_GPUS, replicas)))}
    if decision.fits and decision.missed:
        if hardware.tensor_parallel_size and len(facts.gpus) > 1:
            yield {"hardware": {"tensor_parallel_size": None}}
        within = _concurrency_within_goals(decision)
        if 0 < within < request.workload.concurrency:
            yield {"workload": {"concurrency": within}}
    # where the weights alone are too large, only smaller weights or more GPUs can help
    room = memory.weights.bytes < gpu.total_bytes
    if not decision.fits and room:
        safe = round(safe_utilisation(memory), 2)
        if safe > settings.gpu_memory_utilization:
            yield {"policy": {"gpu_memory_utilization": safe}}
        if settings.max_num_batched_tokens > 2048:
            yield {"policy": {"max_num_batched_tokens": 2048}}
        if settings.max_num_seqs > 64:
            yield {"policy": {"max_num_seqs": max(64, request.workload.concurrency)}}
    if settings.kv_cache_dtype == "auto" and gpu.generation.fp8_cache and room:
        yield {"model": {"kv_cache_dtype": "fp8"}}
    if not decision.fits:
        longest = memory.layout.largest_len(memory.kv_low, 1, settings.max_model_len)
        wanted = request.workload.prompt_tokens + request.workload.gen_tokens
        if wanted <= longest < settings.max_model_len:
            yield {"model": {"max_model_len": max(wanted, longest // 16 * 16)}}
        if room and not policy.enforce_eager and settings.max_cudagraph_capture_size is None:
            yield {"policy": {"max_cudagraph_capture_size": max(SMALL_CAPTURE, request.workload.concurrency)}}
        if room and not policy.enforce_eager:
            yield {"policy": {"enforce_eager": True}}
        if settings.quantization is None:
            yield from ({"model": {"model": sibling.model_id}} for sibling in siblings(facts.metadata))
        if facts.metadata.quantization is None and settings.quantization is None and gpu.generation.fp8_weights:
            yield {"model": {"quantization": "fp8_per_tensor"}}
        if gpu.index is None:
            # a box that is only planned may as well be a larger one
            yield from ({"hardware": {"gpus": count}} for count in BOX_SIZES if count > len(facts.gpus))
        fitting = requests_that_fit(memory, request.workload, policy)
        if 0 < fitting < request.workload.concurrency:
            yield {"workload": {"concurrency": fitting}}


def _facts_with(facts: Facts, patch: Patch) -> Facts:
    """The facts after a patch: more GPUs of a kind and the model's siblings are known already."""
    count, model = patch.get("hardware", {}).get("gpus"), patch.get("model", {}).get("model")
    if model is not None:
        known = next(sibling for sibling in siblings(facts.metadata) if sibling.model_id == model)
        facts = replace(facts, metadata=known)
    return facts if count is None else replace(facts, gpus=facts.gpus[:1] * count)


def _concurrency_within_goals(decision: Decision) -> int:
    workload = decision.request.workload
    speed = forecast(decision)
    return speed.largest_concurrency(workload.target_ttft_ms, workload.target_tpot_ms)


def _gain(before: Decision, after: Decision) -> str | None:
    if after.problem is not None:
        return None
    old, new = before.estimate, after.estimate
    if after.fits and not before.fits:
        if before.problem or not old.starts:
            return f"fits, {new.cache.max_concurrency:.1f}x {new.settings.max_model_len:,} tokens"
        return f"fits, {gib(new.headroom):.1f} GiB spare"
    if before.fits and after.fits and (kept := [name for name in before.missed if name not in after.missed]):
        goals = " and ".join(name.upper() for name in kept)
        return f"keeps the {goals} goal{'s' if len(kept) > 1 else ''}"
    if before.fits:
        factor = _users(after) / max(1, _users(before))
        return f"{factor:.1f}x concurrency" if factor >= WORTH_NAMING and after.fits else None
    return None


def _users(decision: Decision) -> int:
    """How many of the workload's requests fit at once, in all replicas together."""
    return requests_that_fit(decision.estimate, decision.request.workload, decision.request.policy)


def _change(decision: Decision, patch: Patch) -> str:
    parts = []
    for section, fields in patch.items():
        if fields.get("data_parallel_size") is not None:
            layout = decision.estimate.settings.layout
            parts.append(f"{layout} -> {layout._replace(dp=fields['data_parallel_size'])}")
            continue
        for field, value in fields.items():
            old = getattr(decision.estimate.settings, field, None)
            old = getattr(getattr(decision.request, section), field) if old is None else old
            parts.append(f"{field} {_word(old)} -> {_word(value)}")
    return ", ".join(parts)


def _word(value: object) -> str:
    if value is None:
        return "auto"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
