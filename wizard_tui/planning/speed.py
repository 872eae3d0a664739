"""From a decision to what the roofline needs."""

from __future__ import annotations

from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decide import Decision
from wizard_tui.planning.estimate import Estimate
from wizard_tui.planning.perf import predict
from wizard_tui.planning.roofline import Load, Traffic
from wizard_tui.schemas.outputs import PerfEstimate


def performance(decision: Decision) -> PerfEstimate:
    """Speed of the decided plan, for the request's workload and targets."""
    request, result = decision.request, decision.estimate
    workload, settings = request.workload, result.settings
    load = load_of(result, decision.facts.metadata)
    length = workload.prompt_tokens + workload.gen_tokens
    one = result.layout.request_bytes(length)
    traffic = Traffic(
        prompt_tokens=workload.prompt_tokens,
        gen_tokens=workload.gen_tokens,
        concurrency=workload.concurrency,
        max_num_seqs=settings.max_num_seqs,
        kv_tokens=max(0, result.kv_available) / one * length,
        replicas=settings.layout.dp,
        shared_prefix_tokens=workload.shared_prefix_tokens if settings.prefix_caching else 0,
    )
    return predict(
        load,
        result.gpu,
        traffic,
        interconnect=request.hardware.interconnect,
        vllm_version=settings.vllm_version,
        target_ttft_ms=workload.target_ttft_ms,
        target_tpot_ms=workload.target_tpot_ms,
    )


def load_of(result: Estimate, metadata: ModelMetadata) -> Load:
    """The model as one rank of the estimate carries it."""
    layout = result.settings.layout
    weights = result.weights
    experts = float(weights.parts.get("experts", 0))
    embedding = float(weights.parts.get("embedding", 0))
    stored = max(1.0, weights.bytes - embedding)
    ranks = layout.tp * layout.pp
    bits = 8 * stored * ranks / max(1.0, float(metadata.num_params))
    long, short = result.layout.request_bytes(8192), result.layout.request_bytes(4096)
    slope = max(0.0, (long - short) / 4096)
    return Load(
        # an embedding look-up reads single rows
        dense_bytes=stored - experts,
        expert_bytes=experts,
        num_experts=metadata.num_experts,
        experts_per_token=metadata.num_experts_per_tok,
        active_params=metadata.active_params / ranks,
        layers=metadata.num_hidden_layers,
        moe_layers=metadata.num_hidden_layers if metadata.num_experts else 0,
        hidden_size=metadata.hidden_size,
        query_dim=metadata.num_attention_heads * metadata.head_dim,
        kv_bytes_per_token=slope,
        kv_bytes_per_request=max(0.0, short - 4096 * slope),
        weight_bits=16 if bits > 12 else 8 if bits > 6 else 4,
        tp=layout.tp,
        pp=layout.pp,
    )
