"""Where every number of a plan comes from, explained with the plan's own numbers."""

from __future__ import annotations

from dataclasses import dataclass

from wizard_tui.planning.decision import Decision
from wizard_tui.planning.speed import forecast, performance
from wizard_tui.schemas.inputs import WorkloadInput
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import Range


@dataclass(frozen=True)
class Explanation:
    """One number on screen: its name there, its value with unit, and where it comes from."""

    name: str
    value: str
    reason: str


def explanations(decision: Decision) -> list[Explanation]:
    """Every number of the panels, in their order on screen."""
    return [*_memory(decision), *_cache(decision), *_speed(decision)]


def _memory(decision: Decision) -> list[Explanation]:
    memory = decision.estimate
    settings, gpu, rest, weights = memory.settings, memory.gpu, memory.overhead, memory.weights
    parts = sorted(weights.parts.items(), key=lambda part: -part[1])
    share = ", ".join(f"{name} {gib(size):.2f}" for name, size in parts if gib(size) >= 0.01)
    sized = f"{settings.max_num_batched_tokens:,} tokens over {settings.max_num_seqs:,} requests"
    graphs = "none, as enforce_eager is set" if settings.enforce_eager else "vLLM's own estimate, batch by batch"
    if not rest.graphs_in_budget:
        graphs += f"; vLLM {settings.vllm_version} takes them from outside the budget"
    budget = f"gpu_memory_utilization {settings.gpu_memory_utilization:g} of {gib(gpu.total_bytes):.2f} GiB"
    if settings.kv_cache_memory_bytes is not None:
        budget = "all the parts below: kv_cache_memory_bytes fixes the cache, and vLLM asks for no share"
    return [
        Explanation("total", _gib(gpu.total_bytes), f"what the driver reports for {gpu.name}"),
        Explanation("in use by others", _gib(gpu.used_bytes), "held by other processes now; vLLM must do without it"),
        Explanation("budget", _gib(memory.budget), budget),
        Explanation(
            "weights",
            _gib(weights.bytes),
            f"vLLM logs it as 'Model loading took': every tensor on one of {settings.layout.gpus} GPUs "
            f"({settings.layout}), by the {weights.source}, ±{100 * weights.relative_error:.1f} %. In GiB: {share}",
        ),
        Explanation(
            "activations",
            _gib(rest.activation_peak),
            f"the highest moment of vLLM's profiling run of {sized}, beyond what stays",
        ),
        Explanation("graphs", _gib(rest.cuda_graphs), f"CUDA graphs: {graphs}"),
        Explanation(
            "non-torch",
            _gib(rest.non_torch),
            f"what stays beside the weights: the sampler's state for {settings.max_num_seqs:,} requests, workspaces, "
            f"communicators and the CUDA libraries; the measured part of the plan{_seen(decision)}",
        ),
        Explanation(
            "outside budget",
            _gib(gpu.total_bytes - memory.budget),
            f"what the utilisation leaves alone; about {_gib(rest.unbudgeted)} of it are needed for CUDA's context "
            "and what vLLM makes after its cache",
        ),
    ]


def _cache(decision: Decision) -> list[Explanation]:
    memory, workload = decision.estimate, decision.request.workload
    cache, length = memory.cache, memory.settings.max_model_len
    one = min(length, workload.prompt_tokens + workload.gen_tokens)
    groups = "; ".join(
        f"{group.layers} layers {group.kind}, {group.block_size:,} tokens a block, {group.page_size_bytes:,} bytes"
        for group in cache.groups
    )
    return [
        Explanation(
            "Available KV cache memory",
            _gib(memory.kv_available),
            f"budget less weights, activations, graphs and non-torch; in four of five starts it lies between "
            f"{gib(memory.kv_low):.2f} and {_gib(memory.kv_high)}",
        ),
        Explanation(
            "KV needed",
            _gib(memory.kv_needed),
            f"{workload.concurrency} requests of {one:,} tokens at once, in whole blocks",
        ),
        Explanation("KV spare", _gib(memory.headroom), "available less needed; below zero the rest queues"),
        Explanation(
            "blocks",
            f"{cache.num_blocks:,}",
            f"available memory in pieces of {cache.bytes_per_block:,} bytes. {groups}",
        ),
        Explanation(
            "GPU KV cache size",
            f"{cache.tokens:,} tokens",
            f"{cache.max_concurrency:.2f} requests of {length:,} tokens"
            if decision.rules.group_aware_tokens
            else f"blocks of one group x {cache.block_size} tokens, as vLLM {decision.rules.version} counts",
        ),
        Explanation(
            "Maximum concurrency",
            f"{cache.max_concurrency:.2f}x",
            f"all blocks over those of one request of max_model_len {length:,}, which takes "
            f"{_gib(cache.bytes_per_request)}; shorter requests fit more often",
        ),
    ]


def _speed(decision: Decision) -> list[Explanation]:
    workload = decision.request.workload
    speed, ranges = forecast(decision), performance(decision)
    clients = workload.concurrency
    bound = {"compute": "arithmetic", "bandwidth": "reading weights and cache"}[speed.roof(clients)]
    point = speed.at(clients)
    waits = ", some of them waiting for room" if point.queued else ""
    return [
        Explanation(
            "Output of all users",
            f"{_range(ranges.decode_toks_per_s_range)} tok/s",
            f"{clients} in flight{waits}; a step's time goes into {bound}. The median is "
            f"{point.decode_toks_per_s:,.0f}; 80 % of measured servers lie in the range",
        ),
        Explanation(
            "TTFT",
            f"{_range(ranges.ttft_ms_range)} ms",
            f"time to the first token: {workload.prompt_tokens:,} prompt tokens through every layer, and the steps of "
            f"the others in between{_held_back(workload)}",
        ),
        Explanation(
            "TPOT",
            f"{_range(ranges.tpot_ms_range)} ms",
            f"time per further token: one step of all that run; one user alone sees about {speed.at(1).tpot_ms:.1f} ms",
        ),
        Explanation(
            "saturated",
            f"{_range(ranges.saturated_toks_per_s_range)} tok/s",
            f"with {speed.capacity:,} in flight, the most that run at once; {speed.room_limit} keeps more waiting",
        ),
    ]


def _held_back(workload: WorkloadInput) -> str:
    if workload.streaming:
        return ""
    return f"; without streaming it is seen with the last of the {workload.gen_tokens:,}, which is counted here"


def _gib(size: int) -> str:
    return f"{gib(size):.2f} GiB"


def _range(bounds: Range) -> str:
    return " to ".join(f"{bound:,.0f}" if bounds[1] >= 20 else f"{bound:,.1f}" for bound in bounds)


def _seen(decision: Decision) -> str:
    seen = decision.estimate.observed
    return f", {gib(seen.more_bytes):+.2f} GiB of it by starts seen on this machine" if seen.starts else ""
