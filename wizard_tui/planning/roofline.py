"""The time of one engine step: a roofline of memory and compute with measured efficiencies.

One decode step of B running sequences at context c, on one rank:

    memory  = (dense weights + the experts that B tokens touch + B * KV bytes at c) / bandwidth
    compute = 2 * B * active parameters / peak
    step    = (memory^3 + compute^3)^(1/3) + overhead a layer, a step, a sequence + all-reduce

Prefill of I tokens is bound by compute: matrix products, attention over I^2, and the all-reduce volume. C clients in a
closed loop keep B of them running; with chunked prefill, the prompts of the others ride along in everyone's steps.
Efficiencies and overheads are in `perf_constants.json`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.engine.versions import rules_for
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.doubts import speed_doubts
from wizard_tui.tables import read_table

MEAN_PROGRESS = 0.6
"""Share of its answer that a running sequence has generated on average; it decides how much KV cache is held."""


@dataclass(frozen=True)
class Load:
    """The model as one rank carries it. Bytes and active parameters are those of the rank.

    `attention_layers` are those that attend to the whole context. `arithmetic` is the number format of the matrix
    products: `fp8`, `int8`, `fp4`, or `half`. A GPU without it, and a method that compresses the weights alone,
    multiply in half precision.
    """

    dense_bytes: float
    expert_bytes: float
    num_experts: int
    experts_per_token: int
    active_params: float
    layers: int
    attention_layers: int
    moe_layers: int
    hidden_size: int
    query_dim: float
    kv_bytes_per_token: float
    kv_bytes_per_request: float = 0.0
    weight_bits: int = 16
    arithmetic: str = "half"
    tp: int = 1
    pp: int = 1

    def touched_bytes(self, tokens: float) -> float:
        """Weight bytes read in a step of `tokens` tokens: an expert is read when at least one token is sent to it."""
        if not self.num_experts:
            return self.dense_bytes
        missed: float = max(0.0, 1 - self.experts_per_token / self.num_experts) ** tokens
        return self.dense_bytes + self.expert_bytes * (1 - missed)


@dataclass(frozen=True)
class Traffic:
    """The workload and its limits. `kv_tokens` is the KV cache size of one replica in tokens.

    Without `streaming`, the user sees the answer only when it is complete.
    """

    prompt_tokens: float
    gen_tokens: float
    concurrency: int
    max_num_seqs: int
    kv_tokens: float
    replicas: int = 1
    shared_prefix_tokens: int = 0
    max_num_batched_tokens: float = math.inf
    streaming: bool = True

    @property
    def held_back_tokens(self) -> float:
        """Tokens generated after the first one before the user sees any."""
        return 0.0 if self.streaming else max(0.0, self.gen_tokens - 1)

    @property
    def room(self) -> float:
        """Sequences of this shape that one replica can run at once."""
        held = max(1.0, self.prompt_tokens + MEAN_PROGRESS * self.gen_tokens)
        return max(1.0, min(self.max_num_seqs, self.kv_tokens / held))


class Point(NamedTuple):
    """Median figures at one concurrency; rates are of all replicas together."""

    decode_toks_per_s: float
    ttft_ms: float
    tpot_ms: float
    queued: bool


@lru_cache(maxsize=1)
def constants() -> Mapping[str, Any]:
    """Efficiencies (shares of the data sheet), overheads (microseconds) and bands (factors around the median)."""
    return read_table(__package__, "perf_constants.json")


class Roofline:
    """Step and prefill times of one replica of a model on one kind of GPU, in seconds.

    `vllm_version` selects the engine's overheads; None means the newest. `fitted` replaces the shipped constants.
    """

    def __init__(
        self,
        load: Load,
        gpu: GPU,
        interconnect: str = "unknown",
        vllm_version: str | None = None,
        fitted: Mapping[str, Any] | None = None,
    ) -> None:
        c = constants() if fitted is None else fitted
        self.load = load
        self.speed_doubts = speed_doubts(gpu)
        fallback = c["fallback"]
        peaks = dict(gpu.tflops)
        power = _power_share(gpu)
        clock = power ** float(c["power_cap"]["compute"])
        half = peaks.get("bf16") or peaks.get("fp16") or fallback["tflops"]
        native = peaks.get(load.arithmetic)
        if native:
            peak = native * c["native_low_precision"] * 1e12
        else:
            peak = half * (1.0 if load.weight_bits > 8 else c["weight_only"]) * 1e12
        peak *= clock
        self.decode_rate: float = peak * c["decode_compute"] * (c["moe_decode"] if load.num_experts else 1.0)
        self._prefill_rate: float = (
            peak * c["prefill"][gpu.generation.chip] * (c["moe_prefill"] if load.num_experts else 1.0)
        )
        self._attention_rate: float = half * clock * c["attention"] * 1e12
        bandwidth = (gpu.bandwidth_gb_s or fallback["bandwidth_gb_s"]) * 1e9
        bandwidth *= power ** float(c["power_cap"]["bandwidth"])
        self.weights_rate: float = bandwidth * c["bandwidth"][gpu.generation.memory]
        if load.weight_bits <= 4:
            self.weights_rate *= c["four_bit_weights"]
        self._expert_rate: float = self.weights_rate * c["expert_weights"]
        self._kv_rate: float = bandwidth * c["kv_read"]
        link = _link_class(gpu, interconnect)
        self._all_reduce_s: float = c["all_reduce_us"][link] * 1e-6
        self._link_rate: float = (gpu.link_gb_s or fallback["link_gb_s"]) * 1e9 * c["link"][link]
        engine = c["engine"][rules_for(vllm_version).engine]
        self._step_s: float = 1e-6 * (
            load.layers * engine["layer_us"] + engine["step_us"] + load.moe_layers * c["moe_layer_us"]
        )
        self._sequence_s: float = engine["sequence_us"] * 1e-6
        self._request_s: float = engine["request_us"] * 1e-6
        self._first_token_s: float = engine["first_token_us"] * 1e-6
        self.prefill_mix: float = c["prefill_mix"]
        self._wave: float = c["first_wave"]
        self._crowd: float = c["crowd"]

    def memory_s(self, running: float, context: float) -> float:
        """Reading weights and cache once, for `running` sequences of `context` tokens on average."""
        load = self.load
        cache = running * (context * load.kv_bytes_per_token + load.kv_bytes_per_request)
        experts = load.touched_bytes(running) - load.dense_bytes
        return load.dense_bytes / self.weights_rate + experts / self._expert_rate + cache / self._kv_rate

    def compute_s(self, running: float) -> float:
        """The matrix products of one decode step."""
        return 2 * running * self.load.active_params / self.decode_rate

    def step_s(self, running: float, context: float) -> float:
        """One decode step of `running` sequences that are `context` tokens long on average."""
        roof: float = (self.memory_s(running, context) ** 3 + self.compute_s(running) ** 3) ** (1 / 3)
        return self.load.pp * roof + self._step_s + running * self._sequence_s + self._all_reduce(running)

    def prefill_s(self, tokens: float, cached: float = 0.0) -> float:
        """Processing a prompt of `tokens`, of which `cached` come from the prefix cache."""
        load = self.load
        fresh = max(1.0, tokens - cached)
        products = 2 * fresh * load.active_params / self._prefill_rate
        attention = (
            2 * fresh * (tokens + cached) * load.query_dim * load.attention_layers / load.tp / self._attention_rate
        )
        return load.pp * (products + attention) + self._all_reduce(fresh) + self._request_s

    def _all_reduce(self, tokens: float) -> float:
        load = self.load
        if load.tp == 1:
            return 0.0
        volume = 2 * (load.tp - 1) / load.tp * tokens * load.hidden_size * 2
        return 2 * load.layers * (self._all_reduce_s + volume / self._link_rate)

    def at(self, traffic: Traffic, concurrency: int | None = None, replicas: int | None = None) -> Point:
        """Median figures for a closed loop of `concurrency` clients (None: the traffic's) over all replicas."""
        copies = replicas or traffic.replicas
        everybody = traffic.concurrency if concurrency is None else concurrency
        prompt, answer = traffic.prompt_tokens, max(1.0, traffic.gen_tokens)
        clients = max(1.0, everybody / copies)
        running = min(clients, traffic.room)
        cached = min(traffic.shared_prefix_tokens, prompt - 1)
        prefill = self.prefill_s(prompt, cached)
        step = self.step_s(running, prompt + answer / 2)
        others = (running - 1) * prefill * self.prefill_mix
        cycle = running * prefill * self.prefill_mix + answer * step
        # prompts that arrive together are processed one after the other
        crowd = (running - 1) * prefill * (self._wave + self._crowd * running * prefill * self.prefill_mix / cycle)
        waiting = (clients / running - 1) * cycle
        # every chunk of a prompt shares its step with the tokens of the others
        chunks = max(1, math.ceil((prompt - cached) / traffic.max_num_batched_tokens))
        ttft = prefill + chunks * step + self._first_token_s + crowd + waiting
        tpot = step + others / answer
        busy = min(copies, everybody)
        return Point(busy * running * answer / cycle, ttft * 1e3, tpot * 1e3, clients > running)


@lru_cache(maxsize=256)
def roofline_of(load: Load, gpu: GPU, interconnect: str, vllm_version: str | None) -> Roofline:
    """The roofline with the shipped constants, cached: users and lengths change more often than model and GPU."""
    return Roofline(load, gpu, interconnect, vllm_version)


@lru_cache(maxsize=256)
def _board_power(name: str) -> float | None:
    try:
        return get_gpu_by_name(name).power_limit_w
    except Refusal:
        return None


def _power_share(gpu: GPU) -> float:
    """The share of the board's power that a lowered power limit leaves."""
    board = _board_power(gpu.name)
    return min(1.0, gpu.power_limit_w / board) if board and gpu.power_limit_w else 1.0


def _link_class(gpu: GPU, interconnect: str) -> str:
    if gpu.platform.links:
        return gpu.platform.links
    wanted = interconnect if interconnect != "unknown" else gpu.interconnect
    if wanted == "nvlink":
        return "nvlink"
    return "geforce" if gpu.kind == "geforce" else "p2p"
