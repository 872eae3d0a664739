"""Goals that a plan misses: by how much, and what would meet them."""

from __future__ import annotations

from dataclasses import replace

from wizard_tui.planning.decide import layouts, settle
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.perf import Forecast
from wizard_tui.planning.settings import Layout
from wizard_tui.planning.speed import forecast

_WORDS = {"ttft": "TTFT", "tpot": "TPOT"}


def missed_goal_sentences(decision: Decision) -> list[str]:
    """One plain sentence for each goal that the median misses, with the nearest value that these GPUs can reach; none
    for a plan that cannot run."""
    if not decision.missed or decision.problem or not decision.estimate.starts:
        return []
    speed = forecast(decision)
    return [_sentence(decision, speed, name) for name in decision.missed]


def _sentence(decision: Decision, speed: Forecast, name: str) -> str:
    workload, word = decision.request.workload, _WORDS[name]
    target = _target(decision, name)
    alone = _alone(speed, name)
    if alone <= target:
        within = speed.largest_concurrency(*((target, None) if name == "ttft" else (None, target)))
        there = getattr(speed.at(workload.concurrency), f"{name}_ms")
        return (
            f"the {word} goal of {target:g} ms holds up to {within} in flight; "
            f"at {workload.concurrency} it is about {there:,.0f} ms"
        )
    bound = _bound(speed, name)
    nearest, layout = _nearest(decision, name)
    said = (
        f"a {word} of {target:g} ms is out of reach: one request alone needs about {alone:,.0f} ms, as {bound}; "
        f"the nearest these GPUs give is {nearest:,.0f} ms with {layout}"
    )
    shorter = _longest_prompt(speed, target) if name == "ttft" else 0
    return f"{said}, or {target:g} ms with at most {shorter:,} prompt tokens" if shorter else said


def _bound(speed: Forecast, name: str) -> str:
    if name == "tpot":
        return f"a step is bound by {speed.roof(1)}"
    return "prefill is bound by compute" if speed.traffic.streaming else "the answer comes as a whole"


def _target(decision: Decision, name: str) -> float:
    return float(getattr(decision.request.workload, f"target_{name}_ms"))


def _alone(speed: Forecast, name: str) -> float:
    return float(getattr(speed.at(1), f"{name}_ms"))


def _nearest(decision: Decision, name: str) -> tuple[float, Layout]:
    """The shortest time (ms) of a lone request over all layouts that start, the decided one included, and its
    layout."""
    request, facts = decision.request, decision.facts
    free = request.hardware.model_copy(update={"tensor_parallel_size": None, "pipeline_parallel_size": None})
    others = layouts(free, facts.metadata, len(facts.gpus))
    results = [
        decision.estimate,
        *(settle(request, facts, decision.estimate.gpu, layout, decision.rules) for layout in others),
    ]
    found = [
        (_alone(forecast(decision._replace(estimate=memory)), name), memory.settings.layout)
        for memory in results
        if memory.starts
    ]
    return min(found, key=lambda row: row[0])


def _longest_prompt(speed: Forecast, target_ms: float) -> int:
    """The longest prompt for which one request alone gets its first token in time; 0 when no prompt does."""
    low, high = 0, int(speed.traffic.prompt_tokens)
    while low < high:
        middle = (low + high + 1) // 2
        shared = min(speed.traffic.shared_prefix_tokens, middle - 1)
        shorter = replace(speed.traffic, prompt_tokens=middle, shared_prefix_tokens=shared)
        in_time = speed.of(shorter, 1).ttft_ms <= target_ms
        low, high = (middle, high) if in_time else (low, middle - 1)
    return low
