"""The other sensible ways: every legal layout, precision and length side by side, and which boxes would do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.estimate import requests_that_fit
from wizard_tui.planning.parallel import legal_tensor_parallel_sizes, why_not
from wizard_tui.planning.speed import performance
from wizard_tui.planning.suggest import Patch, layout_patch, patched
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import Range

FP8_WEIGHTS = "fp8_per_tensor"
BOX_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Alternative:
    """One way to run the workload; its figures are those of the plan that `patch` gives. Sizes are GiB of one GPU;
    `concurrency` counts requests of the workload's length that fit at once over all replicas (`requests_that_fit`),
    while vLLM's own Maximum concurrency counts requests of max_model_len in one replica; `tight` means that it fits by
    the expected numbers, but not at the pessimistic end of the band; `goals` names the targets it keeps, `misses` those
    it misses."""

    title: str
    patch: Patch
    fits: bool
    tight: bool
    gpus: int
    weights_gib: float
    max_model_len: int
    concurrency: int
    toks_per_s: Range
    tpot_ms: Range
    goals: tuple[str, ...]
    misses: tuple[str, ...]


def alternatives(request: PlanRequest, facts: Facts) -> list[Alternative]:
    """Layout x weights x KV cache x context, best first. Order: fits, keeps the goals, safely, full precision, longest
    context, fastest."""
    found = [_evaluate(patch, decide(patched(request, patch), facts)) for patch in _ways(request, facts)]
    return sorted(found, key=_rank)


def boxes_that_do(request: PlanRequest, facts: Facts, catalogue: Iterable[GPU]) -> list[tuple[GPU, int, Decision]]:
    """The fewest (1, 2, 4, 8) of each catalogue GPU on which the request fits; smallest boxes first."""
    found = []
    free = patched(request, {"hardware": {"tensor_parallel_size": None, "pipeline_parallel_size": None}})
    for gpu in catalogue:
        for count in BOX_SIZES:
            decision = decide(free, replace(facts, gpus=(gpu,) * count))
            if decision.fits and not decision.estimate.tight:
                found.append((gpu, count, decision))
                break
    return sorted(found, key=lambda row: (row[0].total_bytes * row[1], row[1]))


def _ways(request: PlanRequest, facts: Facts) -> Iterator[Patch]:
    metadata, model = facts.metadata, request.model
    stages = request.hardware.pipeline_parallel_size or 1
    in_node = len(facts.gpus)
    sizes = legal_tensor_parallel_sizes(metadata, max(1, min(in_node, in_node * request.hardware.nodes // stages)))
    quantisations: list[str | None] = [model.quantization]
    generation = facts.gpus[0].generation
    if metadata.quantization is None and model.quantization is None and generation.fp8_weights:
        quantisations.append(FP8_WEIGHTS)
    caches = [model.kv_cache_dtype]
    if model.kv_cache_dtype == "auto" and generation.fp8_cache:
        caches.append("fp8")
    wanted = request.workload.prompt_tokens + request.workload.gen_tokens
    full = model.max_model_len or metadata.max_position_embeddings
    lengths = sorted({min(full, max(wanted, part)) for part in (full, 32768, 8192)}, reverse=True)
    for tp, quantization, cache, length in product(sizes, quantisations, caches, lengths):
        replicas = _copies(request, metadata, tp, in_node // (tp * stages))
        yield {
            "model": {"quantization": quantization, "kv_cache_dtype": cache, "max_model_len": length},
            "hardware": {"tensor_parallel_size": tp, "data_parallel_size": replicas if replicas > 1 else None},
        }


def _copies(request: PlanRequest, metadata: ModelMetadata, tp: int, most: int) -> int:
    """As many copies as there is room for; fewer where that many would give an expert a width that vLLM refuses."""
    expert = bool(request.hardware.enable_expert_parallel)
    legal = (dp for dp in range(most, 1, -1) if why_not(metadata, tp, dp=dp, expert_parallel=expert) is None)
    return next(legal, 1)


def _title(decision: Decision) -> str:
    """The decided layout, and where the model differs from its checkpoint."""
    settings = decision.estimate.settings
    layout = settings.layout
    return ", ".join(
        part
        for part in (
            str(layout._replace(dp=1, expert_parallel=False)),
            f"x {layout.dp} replicas" if layout.dp > 1 else "",
            "fp8 weights" if settings.quantization == FP8_WEIGHTS else "",
            "fp8 KV" if settings.kv_cache_dtype == "fp8" else "",
            f"{settings.max_model_len:,} tokens",
        )
        if part
    )


def _evaluate(patch: Patch, decision: Decision) -> Alternative:
    memory, workload = decision.estimate, decision.request.workload
    speed = performance(decision)
    kept: list[str] = []
    missed: list[str] = []
    for name, target, (_, worst) in (
        ("TTFT", workload.target_ttft_ms, speed.ttft_ms_range),
        ("TPOT", workload.target_tpot_ms, speed.tpot_ms_range),
    ):
        if target is not None:
            (kept if worst <= target else missed).append(name)
    return Alternative(
        title=_title(decision),
        patch=patch | {"hardware": layout_patch(decision, memory.settings.layout)},
        fits=decision.fits,
        tight=memory.tight,
        gpus=memory.settings.layout.gpus,
        weights_gib=gib(memory.weights.bytes),
        max_model_len=memory.settings.max_model_len,
        concurrency=requests_that_fit(memory, workload, decision.request.policy),
        toks_per_s=speed.decode_toks_per_s_range,
        tpot_ms=speed.tpot_ms_range,
        goals=tuple(kept),
        misses=tuple(missed),
    )


def _rank(way: Alternative) -> tuple[bool, int, bool, int, int, float]:
    lossy = sum(word in way.title for word in ("fp8 weights", "fp8 KV"))
    return not way.fits, len(way.misses), way.tight, lossy, -way.max_model_len, -way.toks_per_s[1]
