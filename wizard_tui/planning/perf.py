"""How fast will it be? A roofline of memory and compute with measured efficiencies; every figure is a range.

One decode step of B running sequences at context c, on one rank:

    memory  = (dense weights + the experts that B tokens touch + B * KV bytes at c) / bandwidth
    compute = 2 * B * active parameters / peak
    step    = (memory^3 + compute^3)^(1/3) + overhead a layer, a step, a sequence + all-reduce

Prefill of I tokens is bound by compute: matrix products, attention over I^2, and the all-reduce volume. C clients in a
closed loop keep B of them running. Efficiencies and overheads are in `perf_constants.json`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

from wizard_tui.hardware.gpu import GPU
from wizard_tui.schemas.outputs import PerfEstimate, Range

MEAN_PROGRESS = 0.6
"""Share of its answer that a running sequence has generated on average, as it weighs on the KV cache."""

MAX_CONCURRENCY = 4096


@dataclass(frozen=True)
class Load:
    """The model as one rank carries it. Bytes and active parameters are those of the rank."""

    dense_bytes: float
    expert_bytes: float
    num_experts: int
    experts_per_token: int
    active_params: float
    layers: int
    moe_layers: int
    hidden_size: int
    query_dim: int
    kv_bytes_per_token: float
    kv_bytes_per_request: float = 0.0
    weight_bits: int = 16
    tp: int = 1
    pp: int = 1

    def touched_bytes(self, tokens: float) -> float:
        """Weight bytes read in a step of so many tokens: an expert is read when at least one token is sent to it."""
        if not self.num_experts:
            return self.dense_bytes
        missed = (1 - self.experts_per_token / self.num_experts) ** tokens
        return self.dense_bytes + self.expert_bytes * (1 - missed)


@dataclass(frozen=True)
class Traffic:
    """The workload and its limits. `kv_tokens` is the KV cache size of one replica in tokens."""

    prompt_tokens: int
    gen_tokens: int
    concurrency: int
    max_num_seqs: int
    kv_tokens: float
    replicas: int = 1
    shared_prefix_tokens: int = 0

    @property
    def room(self) -> float:
        """Sequences of this shape that one replica can run at once."""
        held = max(1.0, self.prompt_tokens + MEAN_PROGRESS * self.gen_tokens)
        return max(1.0, min(self.max_num_seqs, self.kv_tokens / held))


@dataclass(frozen=True)
class Point:
    """Median figures at one concurrency; rates are of all replicas together."""

    decode_toks_per_s: float
    ttft_ms: float
    tpot_ms: float
    queued: bool


@lru_cache(maxsize=1)
def constants() -> Mapping[str, Any]:
    """Efficiencies (shares of the data sheet), overheads (microseconds) and bands (factors around the median)."""
    text = files("wizard_tui.planning").joinpath("perf_constants.json").read_text(encoding="utf-8")
    result: Mapping[str, Any] = json.loads(text)
    return result


class Roofline:
    """Step and prefill times of one replica of a model on one kind of GPU, in seconds."""

    def __init__(self, load: Load, gpu: GPU, interconnect: str = "unknown") -> None:
        c = constants()
        self._c, self._load = c, load
        peaks = dict(gpu.tflops)
        half = peaks.get("bf16") or peaks.get("fp16") or c["fallback"]["tflops"]
        native = {8: peaks.get("fp8") or peaks.get("int8"), 4: peaks.get("fp4")}.get(load.weight_bits)
        if native:
            self._peak = native * c["native_low_precision"] * 1e12
        else:
            self._peak = half * (1.0 if load.weight_bits > 8 else c["weight_only"]) * 1e12
        self._attention_peak = half * c["attention"] * 1e12
        bandwidth = (gpu.bandwidth_gb_s or c["fallback"]["bandwidth_gb_s"]) * 1e9
        self._weights_rate = bandwidth * c["bandwidth"][_memory_class(gpu)]
        if load.weight_bits <= 4:
            self._weights_rate *= c["four_bit_weights"]
        self._kv_rate = bandwidth * c["kv_read"]
        self._prefill_share = c["prefill"][_compute_class(gpu)] * (c["moe"] if load.num_experts else 1.0)
        link = _link_class(gpu, interconnect)
        self._all_reduce_s = c["all_reduce_us"][link] * 1e-6
        self._link_rate = (gpu.link_gb_s or c["fallback"]["link_gb_s"]) * 1e9 * c["link"][link]

    def step_s(self, running: float, context: float) -> float:
        """One decode step of `running` sequences that are `context` tokens long on average."""
        c, load = self._c, self._load
        cache = running * (context * load.kv_bytes_per_token + load.kv_bytes_per_request)
        memory = load.touched_bytes(running) / self._weights_rate + cache / self._kv_rate
        compute = 2 * running * load.active_params / (self._peak * c["decode_compute"])
        roof = (memory**3 + compute**3) ** (1 / 3)
        overhead_us = load.layers * c["layer_us"] + load.moe_layers * c["moe_layer_us"] + c["step_us"]
        overhead_us += running * c["sequence_us"]
        return load.pp * roof + overhead_us * 1e-6 + self._all_reduce(running)

    def prefill_s(self, tokens: float, cached: float = 0.0) -> float:
        """Processing a prompt of `tokens`, of which `cached` come from the prefix cache."""
        c, load = self._c, self._load
        fresh = max(1.0, tokens - cached)
        products = 2 * fresh * load.active_params / (self._peak * self._prefill_share)
        attention = 2 * fresh * (tokens + cached) * load.query_dim * load.layers / load.tp / self._attention_peak
        return load.pp * (products + attention) + self._all_reduce(fresh) + c["request_us"] * 1e-6

    def _all_reduce(self, tokens: float) -> float:
        load = self._load
        if load.tp == 1:
            return 0.0
        volume = 2 * (load.tp - 1) / load.tp * tokens * load.hidden_size * 2
        return 2 * load.layers * (self._all_reduce_s + volume / self._link_rate)

    def at(self, traffic: Traffic) -> Point:
        """Median figures for a closed loop of `traffic.concurrency` clients over all replicas."""
        c = self._c
        prompt, answer = traffic.prompt_tokens, traffic.gen_tokens
        clients = max(1.0, traffic.concurrency / traffic.replicas)
        running = min(clients, traffic.room)
        prefill = self.prefill_s(prompt, min(traffic.shared_prefix_tokens, prompt - 1))
        step = self.step_s(running, prompt + answer / 2)
        cycle = running * prefill * c["prefill_mix"] + answer * step
        tpot = step + (running - 1) * prefill * c["prefill_mix"] / answer
        waiting = (clients / running - 1) * cycle
        ttft = prefill + step + c["first_token_us"] * 1e-6 + waiting
        ttft += c["first_wave"] * (running - 1) * prefill
        busy = min(traffic.replicas, traffic.concurrency)
        return Point(busy * running * answer / cycle, ttft * 1e3, tpot * 1e3, clients > running)


def predict(
    load: Load,
    gpu: GPU,
    traffic: Traffic,
    *,
    interconnect: str = "unknown",
    target_ttft_ms: float | None = None,
    target_tpot_ms: float | None = None,
    assumptions: tuple[str, ...] = (),
) -> PerfEstimate:
    """Speed of one plan: single stream, at the given concurrency, and saturated, with 80 % bands."""
    roofline = Roofline(load, gpu, interconnect)
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
    load, clients = roofline._load, traffic.concurrency / traffic.replicas
    compute = 2 * clients * load.active_params / roofline._peak
    memory = load.touched_bytes(clients) / roofline._weights_rate
    return "compute" if compute > memory else "bandwidth"


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


def _memory_class(gpu: GPU) -> str:
    if gpu.vendor == "amd":
        return "amd"
    return "gddr" if gpu.kind in ("geforce", "workstation") else "hbm"


def _compute_class(gpu: GPU) -> str:
    if gpu.vendor == "amd":
        return "amd"
    if gpu.kind in ("geforce", "workstation"):
        return "gddr"
    major = (gpu.compute_capability or (8, 0))[0]
    return {7: "volta", 8: "ampere", 9: "hopper"}.get(major, "blackwell" if major >= 10 else "volta")


def _link_class(gpu: GPU, interconnect: str) -> str:
    if gpu.vendor == "amd":
        return "amd"
    wanted = interconnect if interconnect != "unknown" else gpu.interconnect
    if wanted == "nvlink":
        return "nvlink"
    return "geforce" if gpu.kind == "geforce" else "p2p"
