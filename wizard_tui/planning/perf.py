"""How fast will it be? Every figure is a range around the median that the roofline gives, with its basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.doubts import band_width
from wizard_tui.planning.roofline import Load, Point, Roofline, Traffic, constants, roofline_of
from wizard_tui.schemas.outputs import PerfEstimate, Range

MAX_CONCURRENCY = 4096
ACCEPTED = 0.85
"""Share of the tokens drafted by a model's own layer that were accepted: DeepSeek-V3 reports 85 to 90 %
(arXiv 2412.19437, 5.4.3)."""


class Measured(NamedTuple):
    """A run of the user's own server, as `vllm bench serve` prints it; None: not measured.

    The run's lengths and concurrency may differ from the planned ones.
    """

    prompt_tokens: int
    gen_tokens: int
    concurrency: int
    toks_per_s: float | None = None
    ttft_ms: float | None = None
    tpot_ms: float | None = None


class Forecast:
    """Speed of one plan at any concurrency; corrected by a measured point where there is one."""

    def __init__(self, roofline: Roofline, traffic: Traffic, measured: Measured | None = None) -> None:
        self.roofline, self.traffic = roofline, traffic
        self.bands: Mapping[str, Any] = constants()["measured_bands" if measured else "bands"]
        # the user's own run replaces what is not known of the GPU
        self._width = 1 if measured else band_width(roofline.speed_doubts)
        self._correction = _correction(roofline, traffic, measured) if measured else Correction()

    @property
    def capacity(self) -> int:
        """Requests that run at once on all replicas together."""
        return max(1, int(min(self.traffic.room, MAX_CONCURRENCY) * self.traffic.replicas))

    def at(self, concurrency: int, replicas: int | None = None) -> Point:
        """Median figures with `concurrency` clients."""
        return self.of(self.traffic, concurrency, replicas)

    def of(self, traffic: Traffic, concurrency: int, replicas: int | None = None) -> Point:
        """Median figures of other traffic with this many clients, as the clients see them: without streaming, the first
        token comes with the last."""
        point = self._correction.apply(self.roofline.at(traffic, concurrency, replicas))
        held_back = traffic.held_back_tokens
        return point._replace(ttft_ms=point.ttft_ms + held_back * point.tpot_ms) if held_back else point

    def range_of(self, metric: str, median: float) -> Range:
        """The 80 % range around a median of `toks_per_s`, `ttft`, `tpot` or `prefill`."""
        low, high = self.bands[metric]
        return median * low**self._width, median * high**self._width

    def largest_concurrency(self, ttft_ms: float | None, tpot_ms: float | None) -> int:
        """The most clients that keep both targets without queueing; 0 when not even one does."""
        low, high = 0, self.capacity
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (low, middle - 1) if self.broken(middle, ttft_ms, tpot_ms) else (middle, high)
        return low

    def broken(self, concurrency: int, ttft_ms: float | None, tpot_ms: float | None) -> str | None:
        """Which target `concurrency` clients miss: `tpot`, `ttft`, or None."""
        point = self.at(concurrency)
        if tpot_ms is not None and point.tpot_ms > tpot_ms:
            return "tpot"
        return "ttft" if ttft_ms is not None and point.ttft_ms > ttft_ms else None

    def roof(self, concurrency: int) -> str:
        """What takes most of a step with `concurrency` clients: `compute` or `bandwidth`."""
        clients = max(1.0, concurrency / self.traffic.replicas)
        context = self.traffic.prompt_tokens + self.traffic.gen_tokens / 2
        compute, memory = self.roofline.compute_s(clients), self.roofline.memory_s(clients, context)
        return "compute" if compute > memory else "bandwidth"

    @property
    def room_limit(self) -> str:
        """Which limit makes further requests wait: `kv cache` or `max_num_seqs`."""
        return "kv cache" if self.traffic.room < self.traffic.max_num_seqs else "max_num_seqs"


class Correction(NamedTuple):
    """Factors on the roofline's figures."""

    toks_per_s: float = 1.0
    ttft: float = 1.0
    tpot: float = 1.0

    def apply(self, point: Point) -> Point:
        return Point(
            point.decode_toks_per_s * self.toks_per_s,
            point.ttft_ms * self.ttft,
            point.tpot_ms * self.tpot,
            point.queued,
        )


def _correction(roofline: Roofline, traffic: Traffic, measured: Measured) -> Correction:
    """Measured over predicted; an unmeasured rate follows from the time per token."""
    point = roofline.at(
        replace(
            traffic,
            prompt_tokens=measured.prompt_tokens,
            gen_tokens=measured.gen_tokens,
            concurrency=measured.concurrency,
            shared_prefix_tokens=min(traffic.shared_prefix_tokens, measured.prompt_tokens - 1),
        )
    )
    rate = measured.toks_per_s / point.decode_toks_per_s if measured.toks_per_s else None
    tpot = measured.tpot_ms / point.tpot_ms if measured.tpot_ms else None
    pace = tpot or (1 / rate if rate else 1.0)
    ttft = measured.ttft_ms / point.ttft_ms if measured.ttft_ms else pace
    return Correction(toks_per_s=rate or 1 / pace, ttft=ttft, tpot=pace)


def predict(
    load: Load,
    gpu: GPU,
    traffic: Traffic,
    *,
    interconnect: str = "unknown",
    vllm_version: str | None = None,
    target_ttft_ms: float | None = None,
    target_tpot_ms: float | None = None,
    measured: Measured | None = None,
    drafted: int = 0,
    assumptions: tuple[str, ...] = (),
) -> PerfEstimate:
    """Speed of one plan: single stream, at the given concurrency, and saturated, with 80 % ranges.

    With `drafted` tokens per step, the ranges reach from no draft accepted to most accepted.

    `concurrency_at_slo` is the most requests in flight that keep the targets on the median, 0 when none does.
    """
    forecast = Forecast(roofline_of(load, gpu, interconnect, vllm_version), traffic, measured)
    now, alone = forecast.at(traffic.concurrency), forecast.at(1, replicas=1)
    saturated = forecast.at(forecast.capacity)
    prefill = traffic.replicas * traffic.prompt_tokens / forecast.roofline.prefill_s(traffic.prompt_tokens)
    within, limit, goals = _goals(forecast, target_ttft_ms, target_tpot_ms)
    # what the user measured already includes the drafted tokens
    gain = 1.0 if measured else 1 + ACCEPTED * drafted

    def rate(median: float) -> Range:
        low, high = forecast.range_of("toks_per_s", median)
        return low, high * gain

    fastest, slowest = forecast.range_of("tpot", now.tpot_ms)
    tpot, held_back = (fastest / gain, slowest), traffic.held_back_tokens
    first, last = forecast.range_of("ttft", now.ttft_ms - held_back * now.tpot_ms)
    return PerfEstimate(
        decode_toks_per_s_range=rate(now.decode_toks_per_s),
        single_stream_toks_per_s_range=rate(alone.decode_toks_per_s),
        saturated_toks_per_s_range=rate(saturated.decode_toks_per_s),
        prefill_toks_per_s_range=forecast.range_of("prefill", prefill),
        ttft_ms_range=(first + held_back * tpot[0], last + held_back * tpot[1]),
        tpot_ms_range=tpot,
        concurrency_at_slo=within,
        limited_by=limit,
        assumptions=[*goals, *assumptions, *_drafting(drafted, measured), *_basis(gpu, forecast, measured)],
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
    """Speed for one user of a dense model on a named GPU, from the parameter count (billions) alone.

    The shape is that of the Llama model nearest in size. `num_gpus // tp_size` replicas share the load.
    Raises Refusal for an unknown GPU or sizes below one.
    """
    from wizard_tui.hardware.catalog import get_gpu_by_name
    from wizard_tui.planning.memory.by_count import bytes_per_parameter, llama_shape

    if params_b <= 0 or min(tp_size, context_len, prompt_tokens, num_gpus) < 1:
        raise Refusal("params_b, tp_size, context_len, prompt_tokens and num_gpus must be positive")
    shape = llama_shape(params_b)
    share = bytes_per_parameter("auto", quantization)
    load = Load(
        dense_bytes=params_b * 1e9 * share / tp_size,
        expert_bytes=0,
        num_experts=0,
        experts_per_token=0,
        active_params=params_b * 1e9 / tp_size,
        layers=shape.num_hidden_layers,
        attention_layers=shape.num_hidden_layers,
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


def _goals(forecast: Forecast, ttft_ms: float | None, tpot_ms: float | None) -> tuple[int | None, str, tuple[str, ...]]:
    """The largest concurrency within the targets, what stops one more, and a sentence for each target out of reach."""
    planned = forecast.traffic.concurrency
    if ttft_ms is None and tpot_ms is None:
        return None, forecast.room_limit if planned > forecast.capacity else forecast.roof(planned), ()
    within = forecast.largest_concurrency(ttft_ms, tpot_ms)
    if within == forecast.capacity:
        return within, forecast.room_limit, ()
    alone, limit = forecast.at(1), forecast.broken(within + 1, ttft_ms, tpot_ms) or forecast.room_limit
    if within:
        return within, limit, (f"at {within + 1} in flight the {limit.upper()} goal is missed",)
    impossible = []
    if ttft_ms is not None and alone.ttft_ms > ttft_ms:
        impossible.append(
            f"a TTFT of {ttft_ms:g} ms is out of reach: one request alone on this plan needs about"
            f" {alone.ttft_ms:.0f} ms for {forecast.traffic.prompt_tokens:g} prompt tokens{_and_answer(forecast)}"
        )
    if tpot_ms is not None and alone.tpot_ms > tpot_ms:
        impossible.append(
            f"a TPOT of {tpot_ms:g} ms is out of reach: one request alone on this plan needs about"
            f" {alone.tpot_ms:.1f} ms a token, bound by {forecast.roof(1)}"
        )
    return 0, limit, tuple(impossible)


def _and_answer(forecast: Forecast) -> str:
    traffic = forecast.traffic
    return "" if traffic.streaming else f" and the whole answer of {traffic.gen_tokens:g}, which is not streamed"


def _drafting(drafted: int, measured: Measured | None) -> tuple[str, ...]:
    if not drafted or measured:
        return ()
    return (
        f"drafted tokens a step: {drafted}; the ranges reach from none of them accepted to {ACCEPTED:.0%},"
        " which depends on the text",
    )


def _basis(gpu: GPU, forecast: Forecast, measured: Measured | None) -> list[str]:
    traffic = forecast.traffic
    source = "your own measured point" if measured else "published measurements"
    basis = f"roofline set by {source}; 80 % of points kept apart lie in the ranges; a slow host is not known"
    if not measured and forecast.roofline.speed_doubts:
        basis = "roofline set by measurements of other GPUs, so that the ranges are taken wider"
    lines = [
        f"{traffic.prompt_tokens:g} prompt and {traffic.gen_tokens:g} answer tokens, {traffic.concurrency} in flight",
        *([] if traffic.streaming else ["answers are not streamed: TTFT is the time until the whole answer is there"]),
        basis,
    ]
    if not gpu.bandwidth_gb_s or not gpu.tflops:
        lines.append(f"{gpu.name} is not in the catalogue: bandwidth and compute of a mid-range card are assumed")
    return lines
