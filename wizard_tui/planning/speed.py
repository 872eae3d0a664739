"""Turns a plan into the roofline's inputs, and the roofline's answer into the plan's speed."""

from __future__ import annotations

import math
from functools import lru_cache

from wizard_tui.models.caches import attention_width, layer_caches
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.quantized import activation_format
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.estimate import MemoryEstimate
from wizard_tui.planning.perf import Forecast, Measured, predict
from wizard_tui.planning.roofline import Load, Point, Traffic, roofline_of
from wizard_tui.schemas.inputs import PlanRequest, WorkloadInput
from wizard_tui.schemas.outputs import PerfEstimate

WHOLE_CONTEXT = frozenset({"full", "latent"})
"""Kinds of attention whose work grows with the square of the prompt; that of windows and recurrent states does not."""


def performance(decision: Decision) -> PerfEstimate:
    """Speed of a plan for the request's workload and goals; corrected by a point that the user measured."""
    request, memory = decision.request, decision.estimate
    workload, settings = request.workload, memory.settings
    return predict(
        load_of(memory, decision.facts.metadata),
        memory.gpu,
        traffic_of(request, memory),
        interconnect=request.hardware.interconnect,
        vllm_version=settings.vllm_version,
        target_ttft_ms=workload.target_ttft_ms,
        target_tpot_ms=workload.target_tpot_ms,
        measured=measured_of(workload),
        drafted=settings.speculative_tokens,
    )


def forecast(decision: Decision) -> Forecast:
    """The speed of a plan at any number of clients."""
    request, memory = decision.request, decision.estimate
    load = load_of(memory, decision.facts.metadata)
    roofline = roofline_of(load, memory.gpu, request.hardware.interconnect, memory.settings.vllm_version)
    return Forecast(roofline, traffic_of(request, memory), measured_of(request.workload))


def curve(decision: Decision) -> tuple[tuple[int, Point], ...]:
    """Median figures at 1, 2, 4, ... clients, up to twice what runs at once: what a plot of the plan shows."""
    speed = forecast(decision)
    ladder = [2**power for power in range((2 * speed.capacity).bit_length())]
    return tuple((clients, speed.at(clients)) for clients in ladder)


def missed_goals(decision: Decision) -> tuple[str, ...]:
    """Which of the request's goals a plan misses at its concurrency, by the median: `ttft`, `tpot`."""
    workload = decision.request.workload
    ttft_ms, tpot_ms = workload.target_ttft_ms, workload.target_tpot_ms
    if ttft_ms is None and tpot_ms is None:
        return ()
    point = forecast(decision).at(workload.concurrency)
    late = ttft_ms is not None and point.ttft_ms > ttft_ms
    slow = tpot_ms is not None and point.tpot_ms > tpot_ms
    return (*(("ttft",) if late else ()), *(("tpot",) if slow else ()))


def measured_of(workload: WorkloadInput) -> Measured | None:
    """The measured run of the user's server in the request; None where there is none."""
    rate, ttft_ms, tpot_ms = workload.measured_toks_per_s, workload.measured_ttft_ms, workload.measured_tpot_ms
    if rate is None and ttft_ms is None and tpot_ms is None:
        return None
    return Measured(
        prompt_tokens=workload.measured_prompt_tokens or workload.prompt_tokens,
        gen_tokens=workload.measured_gen_tokens or workload.gen_tokens,
        concurrency=workload.measured_concurrency or workload.concurrency,
        toks_per_s=rate,
        ttft_ms=ttft_ms,
        tpot_ms=tpot_ms,
    )


def traffic_of(request: PlanRequest, memory: MemoryEstimate) -> Traffic:
    """The request's workload under the limits of the decided settings."""
    workload, settings = request.workload, memory.settings
    length = workload.prompt_tokens + workload.gen_tokens
    each = memory.layout.request_bytes(length)
    return Traffic(
        prompt_tokens=workload.prompt_tokens,
        gen_tokens=workload.gen_tokens,
        concurrency=workload.concurrency,
        max_num_seqs=settings.max_num_seqs,
        # a model without cache has no limit
        kv_tokens=max(0, memory.kv_available) / each * length if each else math.inf,
        replicas=settings.layout.dp,
        shared_prefix_tokens=workload.shared_prefix_tokens if settings.enable_prefix_caching else 0,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        streaming=workload.streaming,
    )


def load_of(memory: MemoryEstimate, metadata: ModelMetadata) -> Load:
    """The model as one rank of the estimate carries it."""
    layout = memory.settings.layout
    ranks = layout.tp * layout.pp
    # an embedding look-up reads single rows
    stored = max(1.0, float(memory.weights.bytes - memory.weights.parts.get("embedding", 0)))
    experts = float(memory.weights.parts.get("experts", stored * expert_share(metadata)))
    bits = 8 * stored * ranks / max(1.0, float(metadata.num_params))
    long, short = memory.layout.request_bytes(8192), memory.layout.request_bytes(4096)
    slope = max(0.0, (long - short) / 4096)
    return Load(
        dense_bytes=max(0.0, stored - experts),
        expert_bytes=experts,
        num_experts=metadata.num_experts,
        experts_per_token=metadata.num_experts_per_tok,
        active_params=metadata.active_params / ranks,
        layers=metadata.num_hidden_layers,
        attention_layers=_whole_context_layers(metadata),
        moe_layers=metadata.num_hidden_layers if metadata.num_experts else 0,
        hidden_size=metadata.hidden_size,
        query_dim=metadata.num_attention_heads * attention_width(metadata),
        kv_bytes_per_token=slope,
        kv_bytes_per_request=max(0.0, short - 4096 * slope),
        weight_bits=16 if bits > 12 else 8 if bits > 6 else 4,
        arithmetic=arithmetic_of(metadata, memory.settings.quantization),
        tp=layout.tp,
        pp=layout.pp,
    )


@lru_cache(maxsize=256)
def _whole_context_layers(metadata: ModelMetadata) -> int:
    return sum(cache.kind in WHOLE_CONTEXT for cache in layer_caches(metadata))


def expert_share(metadata: ModelMetadata) -> float:
    """Share of the parameters in routed experts. A token skips the experts that are not chosen for it."""
    chosen, experts = metadata.num_experts_per_tok, metadata.num_experts
    if not 0 < chosen < experts or not metadata.num_params:
        return 0.0
    skipped = (metadata.num_params - metadata.active_params) / metadata.num_params
    return min(1.0, skipped / (1 - chosen / experts))


def arithmetic_of(metadata: ModelMetadata, quantization: str | None = None) -> str:
    """The number format of the matrix products under a quantisation method: `fp8`, `int8`, `fp4`, or `half`.

    Methods that compress only the weights multiply in half precision. With `compressed-tensors` the checkpoint says
    whether activations are quantised too, and in which format.
    """
    method = (quantization or metadata.quantization or "").lower()
    if method.startswith("compressed"):
        return activation_format(metadata)
    if "fp4" in method and not method.startswith("mx"):
        return "fp4"
    return "fp8" if method.startswith(("fp8", "modelopt", "fbgemm", "ptpc", "quark")) else "half"
