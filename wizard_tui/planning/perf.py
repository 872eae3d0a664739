"""How fast will it be? Every figure is a range around the median that the roofline gives, with its basis."""

from __future__ import annotations

from dataclasses import replace

from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.roofline import Load, Roofline, Traffic, constants
from wizard_tui.schemas.outputs import PerfEstimate, Range

MAX_CONCURRENCY = 4096


def predict(
    load: Load,
    gpu: GPU,
    traffic: Traffic,
    *,
    interconnect: str = "unknown",
    vllm_version: str | None = None,
    target_ttft_ms: float | None = None,
    target_tpot_ms: float | None = None,
    assumptions: tuple[str, ...] = (),
) -> PerfEstimate:
    """Speed of one plan: single stream, at the given concurrency, and saturated, with 80 % bands."""
    roofline = Roofline(load, gpu, interconnect, vllm_version)
    bands = constants()["bands"]
    at_load = roofline.at(traffic)
    single = roofline.at(replace(traffic, concurrency=1, replicas=1))
    capacity = int(min(traffic.room * traffic.replicas, MAX_CONCURRENCY * traffic.replicas))
    saturated = roofline.at(replace(traffic, concurrency=max(1, capacity)))
    prefill = traffic.prompt_tokens / roofline.prefill_s(traffic.prompt_tokens)
    best, limit = _largest_concurrency(roofline, traffic, target_ttft_ms, target_tpot_ms, max(1, capacity))
    return PerfEstimate(
        decode_toks_per_s_range=_band(at_load.decode_toks_per_s, bands["toks_per_s"]),
        single_stream_toks_per_s_range=_band(single.decode_toks_per_s, bands["toks_per_s"]),
        saturated_toks_per_s_range=_band(saturated.decode_toks_per_s, bands["toks_per_s"]),
        prefill_toks_per_s_range=_band(prefill * traffic.replicas, bands["prefill"]),
        ttft_ms_range=_band(at_load.ttft_ms, bands["ttft"]),
        tpot_ms_range=_band(at_load.tpot_ms, bands["tpot"]),
        concurrency_at_slo=best,
        limited_by=limit,
        assumptions=[*assumptions, *_basis(gpu, traffic)],
    )


def estimate_performance(
    gpu_name: str,
    params_b: float,
    tp_size: int = 1,
    context_len: int = 4096,
    prompt_tokens: int = 512,
    quantization: str | None = None,
    interconnect: str = "unknown",
    num_gpus: int = 1,
) -> PerfEstimate:
    """Speed of a dense model of which only the parameter count (billions) is known, one user, on a named GPU.

    The shape behind the count is that of Llama models of its size. `num_gpus // tp_size` replicas share the load.
    Raises ValueError for an unknown GPU or sizes below one.
    """
    from wizard_tui.hardware.catalog import get_gpu_by_name
    from wizard_tui.planning.memory.by_count import bytes_per_parameter, llama_shape

    if params_b <= 0 or min(tp_size, context_len, prompt_tokens, num_gpus) < 1:
        raise ValueError("params_b, tp_size, context_len, prompt_tokens and num_gpus must be positive")
    shape = llama_shape(params_b)
    share = bytes_per_parameter("auto", quantization)
    load = Load(
        dense_bytes=params_b * 1e9 * share / tp_size,
        expert_bytes=0,
        num_experts=0,
        experts_per_token=0,
        active_params=params_b * 1e9 / tp_size,
        layers=shape.num_hidden_layers,
        moe_layers=0,
        hidden_size=shape.hidden_size,
        query_dim=shape.num_attention_heads * shape.head_dim,
        kv_bytes_per_token=4.0 * shape.num_hidden_layers * shape.num_key_value_heads * shape.head_dim / tp_size,
        weight_bits=16 if share >= 2 else 8 if share >= 1 else 4,
        tp=tp_size,
    )
    prompt = min(prompt_tokens, context_len)
    traffic = Traffic(
        prompt_tokens=prompt,
        gen_tokens=max(1, context_len - prompt),
        concurrency=1,
        max_num_seqs=256,
        kv_tokens=256.0 * context_len,
        replicas=max(1, num_gpus // tp_size),
    )
    return predict(
        load,
        get_gpu_by_name(gpu_name),
        traffic,
        interconnect=interconnect,
        assumptions=("only the parameter count is known: a dense Llama-like shape is assumed",),
    )


def _largest_concurrency(
    roofline: Roofline, traffic: Traffic, ttft_ms: float | None, tpot_ms: float | None, capacity: int
) -> tuple[int | None, str]:
    """The most clients that keep both targets without queueing, and what stops one more."""

    def broken(clients: int) -> str | None:
        point = roofline.at(replace(traffic, concurrency=clients))
        if tpot_ms is not None and point.tpot_ms > tpot_ms:
            return "tpot"
        return "ttft" if ttft_ms is not None and point.ttft_ms > ttft_ms else None

    if ttft_ms is None and tpot_ms is None:
        return None, _roof(roofline, traffic, capacity)
    low, high = 0, capacity
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if broken(middle) else (middle, high)
    return low, (broken(low + 1) if low < capacity else None) or "kv cache"


def _roof(roofline: Roofline, traffic: Traffic, capacity: int) -> str:
    if traffic.concurrency > capacity:
        return "kv cache" if traffic.room < traffic.max_num_seqs else "max_num_seqs"
    clients = traffic.concurrency / traffic.replicas
    context = traffic.prompt_tokens + traffic.gen_tokens / 2
    return "compute" if roofline.compute_s(clients) > roofline.memory_s(clients, context) else "bandwidth"


def _band(median: float, factors: list[float]) -> Range:
    return median * factors[0], median * factors[1]


def _basis(gpu: GPU, traffic: Traffic) -> list[str]:
    lines = [
        f"{traffic.prompt_tokens} prompt and {traffic.gen_tokens} answer tokens, {traffic.concurrency} in flight",
        "80 % of measured points lie inside the ranges; a busy host CPU or a power cap is not modelled",
    ]
    if not gpu.bandwidth_gb_s or not gpu.tflops:
        lines.append(f"{gpu.name} is not in the catalogue: bandwidth and compute of a mid-range card are assumed")
    return lines
