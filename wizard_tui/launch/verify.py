"""Compares a plan with what vLLM printed, figure by figure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard_tui.engine import speculation
from wizard_tui.errors import Refusal
from wizard_tui.launch.startup_log import StartupLog
from wizard_tui.planning.decide import PERFORMANCE_MODES
from wizard_tui.planning.memory.overhead import facts
from wizard_tui.planning.speed import performance
from wizard_tui.schemas.fields import marked
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.markers import Flag, MovesMemory
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import PerfEstimate, PlanResponse

if TYPE_CHECKING:
    from wizard_tui.launch.client import Answer, LoadResult
    from wizard_tui.planning.decision import Decision

ROUNDING_GIB = 0.005
"""vLLM prints GiB to two decimals."""

# values that the log shows as resolved although nobody passed them
_RESOLVED = {
    "max_model_len": ("model", "max_model_len"),
    "max_num_batched_tokens": ("policy", "max_num_batched_tokens"),
}


@dataclass(frozen=True)
class Row:
    """One figure: predicted with its 80 % band, and printed or measured. `unit` is `GiB`, `tokens`, `x`, `tok/s` or
    `ms`."""

    name: str
    unit: str
    predicted: float
    low: float
    high: float
    actual: float

    @property
    def difference(self) -> float:
        """Printed minus predicted."""
        return self.actual - self.predicted

    @property
    def relative(self) -> float:
        """The difference as a share of the prediction; 0 when both are 0."""
        if self.predicted:
            return self.difference / abs(self.predicted)
        return 0.0 if not self.difference else float("inf")

    @property
    def inside(self) -> bool:
        """Whether the printed figure lies in the band."""
        return self.low <= self.actual <= self.high


def compare(response: PlanResponse, log: StartupLog) -> list[Row]:
    """The figures that both the plan and the log have, in the order vLLM prints them."""
    memory, cache = response.memory, response.kv_cache
    values = log.values
    rows = []

    def add(name: str, unit: str, predicted: float, low: float, high: float, actual: float | None) -> None:
        if actual is not None:
            rows.append(Row(name, unit, predicted, low, high, actual))

    weights = gib(memory.weights)
    # weights carry no band of their own in the response: half a percent covers padding and buffers
    slack = max(ROUNDING_GIB, 0.005 * weights)
    add("Model loading took", "GiB", weights, weights - slack, weights + slack, values.get("weights_gib"))
    if memory.cuda_graphs:
        graphs, spread = gib(memory.cuda_graphs), facts()["band"]["graphs_share"]
        bounds = graphs * (1 - spread), graphs * (1 + spread)
        add("CUDA graphs, estimated", "GiB", graphs, *bounds, values.get("graphs_estimated_gib"))
    low, high = (gib(size) for size in memory.kv_available_range)
    bounds = low - ROUNDING_GIB, high + ROUNDING_GIB
    add("Available KV cache memory", "GiB", gib(memory.kv_available), *bounds, values.get("available_kv_gib"))
    tokens_low, tokens_high = cache.tokens_range
    add("GPU KV cache size", "tokens", cache.tokens, tokens_low, tokens_high, log.kv_cache_tokens)
    if values.get("concurrency_len") and cache.tokens:
        scale = cache.max_concurrency / cache.tokens
        bounds = tokens_low * scale, tokens_high * scale
        add("Maximum concurrency", "x", cache.max_concurrency, *bounds, values.get("max_concurrency"))
    return rows


def compare_speed(result: LoadResult, predicted: PerfEstimate) -> list[Row]:
    """A load run beside the predicted ranges."""
    return _speed_rows(
        ("Output of all users", "tok/s", result.toks_per_s, predicted.decode_toks_per_s_range),
        ("TTFT", "ms", result.ttft_ms, predicted.ttft_ms_range),
        ("TPOT", "ms", result.tpot_ms, predicted.tpot_ms_range),
    )


def streamed(decision: Decision) -> PerfEstimate:
    """What the plan predicts for streamed answers. A load run always asks for these: it measures the server, whatever
    its users will see of it."""
    workload = decision.request.workload.model_copy(update={"streaming": True})
    request = decision.request.model_copy(update={"workload": workload})
    return performance(decision._replace(request=request))


def compare_answer(answer: Answer, decision: Decision) -> list[Row]:
    """One answer beside the prediction for a lone request of its size; an answer of one token has no rate."""
    planned = decision.request.workload
    # a measured run without a stated size has the planned size, not that of this one request
    run = {
        f"measured_{name}": getattr(planned, f"measured_{name}") or getattr(planned, name)
        for name in ("concurrency", "prompt_tokens", "gen_tokens")
    }
    alone = {"concurrency": 1, "prompt_tokens": max(1, answer.prompt_tokens), "gen_tokens": answer.tokens}
    workload = planned.model_copy(update={**run, **alone, "shared_prefix_tokens": 0})
    request = decision.request.model_copy(update={"workload": workload})
    predicted = performance(decision._replace(request=request))
    rows = [("TTFT", "ms", answer.ttft_ms, predicted.ttft_ms_range)]
    if answer.tokens > 1 and answer.tpot_ms > 0:
        rows.append(("Output of one user", "tok/s", 1000 / answer.tpot_ms, predicted.single_stream_toks_per_s_range))
    return _speed_rows(*rows)


def _speed_rows(*figures: tuple[str, str, float, tuple[float, float]]) -> list[Row]:
    """Measured figures beside predicted ranges; the middle of a range stands for the prediction."""
    return [
        Row(name, unit, math.sqrt(low * high), low, high, measured) for name, unit, measured, (low, high) in figures
    ]


def request_from_log(
    log: StartupLog, base: Mapping[str, Any] | None = None, over: Mapping[str, Any] | None = None
) -> PlanRequest:
    """The request that matches the logged server, as far as the log tells.

    `base` (a request as plain data) fills in what the log does not say, such as the GPU; `over` wins over the log.
    Raises Refusal when none of them names a model.
    """
    sections: dict[str, dict[str, Any]] = {name: dict(fields) for name, fields in (base or {}).items() if fields}
    arguments, chosen = log.arguments, over or {}
    model = chosen.get("model", {}).get("model") or arguments.get("model") or arguments.get("model_tag")
    if model:
        sections.setdefault("model", {})["model"] = model
    if not sections.get("model", {}).get("model"):
        raise Refusal("the log does not name its model; give the profile of this server with --profile")
    for section, fields in _asked(arguments).items():
        sections.setdefault(section, {}).update(fields)
    for name, (section, field) in _RESOLVED.items():
        if log.values.get(name) is not None:
            sections.setdefault(section, {})[field] = log.values[name]
    policy, hardware = sections.setdefault("policy", {}), sections.setdefault("hardware", {})
    if log.values.get("utilization") is not None:
        policy["gpu_memory_utilization"] = log.values["utilization"]
    if version := log.values.get("version"):
        policy["vllm_version"] = version
    if log.values.get("total_gib") is not None:
        hardware["vram_gb"] = log.values["total_gib"]
    for section, fields in chosen.items():
        sections.setdefault(section, {}).update(fields)
    hardware.setdefault("gpus", math.prod(_count(arguments.get(name)) for name in _RANKS))
    return PlanRequest.model_validate(sections)


def _asked(arguments: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The non-default arguments of a server as sections of a request: the checkpoint, and what changes memory use."""
    found: dict[str, dict[str, Any]] = {}
    if arguments.get("revision") is not None:
        found["model"] = {"revision": arguments["revision"]}
    for field in marked(Flag, MovesMemory):
        # -1 leaves a length to vLLM, which prints the one it chose
        if arguments.get(field.name) not in (None, -1):
            found.setdefault(field.section, {})[field.name] = arguments[field.name]
    policy = found.setdefault("policy", {})
    drafts, compiled = arguments.get("speculative_config"), arguments.get("compilation_config")
    if isinstance(drafts, Mapping) and speculation.METHOD in str(drafts.get("method")):
        policy["speculative_tokens"] = drafts.get("num_speculative_tokens")
    if isinstance(compiled, Mapping) and compiled.get("max_cudagraph_capture_size"):
        policy.setdefault("max_cudagraph_capture_size", compiled["max_cudagraph_capture_size"])
    if arguments.get("enable_lora") is True:
        policy.setdefault("max_loras", 1)
    mode = next((ours for ours, word in PERFORMANCE_MODES.items() if word == arguments.get("performance_mode")), None)
    if mode is not None:
        found["workload"] = {"batching_mode": mode}
    return found


_RANKS = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


def _count(stated: Any) -> int:
    """A number of ranks that a log states; 1 when it is not such a number."""
    return stated if isinstance(stated, int) and not isinstance(stated, bool) and stated > 0 else 1
