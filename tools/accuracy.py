"""How far the planner's figures are from vLLM's own, beside an estimate by formulas alone.

    python -m tools.accuracy

The facts are in tests/data, each with its source: weights counted on vLLM's own model classes, and figures from public
start-up logs. The arithmetic of the KV cache has answers of vLLM's own functions, which the tests hold it to exactly.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard_tui.engine.versions import NEWEST, rules_for
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decide import decide
from wizard_tui.planning.memory import compute_overhead, compute_weights_memory
from wizard_tui.planning.memory.weights import weights_of
from wizard_tui.planning.planner import plan
from wizard_tui.planning.settings import Layout, Settings
from wizard_tui.resolver import Facts, resolve_gpus
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import MemoryBreakdown, PlanResponse

DATA = Path(__file__).parents[1] / "tests" / "data"


@dataclass(frozen=True)
class Errors:
    """Relative errors of one figure, for the planner and for the formulas."""

    name: str
    planner: Sequence[float]
    formulas: Sequence[float] = ()

    def line(self) -> str:
        """One row of the table."""
        formulas = f"{_percent(statistics.median(self.formulas)) if self.formulas else '':>8}"
        ordered = sorted(self.planner)
        worst = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
        median, most = _percent(statistics.median(ordered)), _percent(worst)
        return f"| {self.name:<44} | {len(ordered):>4} | {median:>8} | {most:>8} | {formulas} |"


def rows(name: str) -> list[dict[str, Any]]:
    """The facts of one file."""
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def weights_counted() -> Errors:
    """Weights of a rank from the config alone against vLLM's model classes."""
    ours, formulas = [], []
    for row in rows("loaded_weights.jsonl"):
        metadata = load_model_metadata(row["model"])
        settings = _loaded(metadata, Layout(tp=row["tp"], expert_parallel=row["expert_parallel"]))
        found = weights_of(metadata, get_gpu_by_name("H100 80GB"), settings).bytes
        ours.append(abs(found / row["bytes"] - 1))
        formulas.append(abs(_by_formula(metadata, row["tp"]) / row["bytes"] - 1))
    return Errors("weights of a rank, vLLM's classes", ours, formulas)


def _loaded(metadata: ModelMetadata, layout: Layout) -> Settings:
    """A model as loaded when only the layout is asked for."""
    return Settings(
        layout=layout,
        dtype=metadata.dtype,
        quantization=None,
        kv_cache_dtype="auto",
        max_model_len=metadata.max_position_embeddings,
        max_num_seqs=256,
        max_num_batched_tokens=2048,
        gpu_memory_utilization=0.9,
        vllm_version=NEWEST,
    )


def logs() -> Iterator[Errors]:
    """Weights, available cache, and tokens against public start-up logs."""
    weights, available, tokens, formula_weights, formula_available = [], [], [], [], []
    for row in rows("startup_logs.jsonl"):
        if "weights_gib" not in row:
            continue
        response = planned(row)
        weights.append(abs(gib(response.memory.weights) / row["weights_gib"] - 1))
        by_formula = _by_formula(load_model_metadata(row["model"]), row["tp"])
        formula_weights.append(abs(by_formula / GIB / row["weights_gib"] - 1))
        if "available_kv_gib" in row:
            available.append(abs(gib(response.memory.kv_available) / row["available_kv_gib"] - 1))
            formula_available.append(abs(formula_left_gib(row, response.memory) / row["available_kv_gib"] - 1))
            if "tokens" in row:
                given = planned(row, kv_cache_memory_bytes=int(row["available_kv_gib"] * GIB))
                tokens.append(abs(given.kv_cache.tokens / row["tokens"] - 1))
    yield Errors("weights, logs", weights, formula_weights)
    yield Errors("available KV cache, logs", available, formula_available)
    yield Errors("tokens for the logged available KV, logs", tokens)


def formula_left_gib(row: Mapping[str, Any], memory: MemoryBreakdown) -> float:
    """The available cache in GiB by formulas alone: the budget less parameters times bytes and a flat share."""
    by_formula = _by_formula(load_model_metadata(row["model"]), row["tp"])
    return (memory.budget - by_formula - compute_overhead(memory.total, row["tp"])) / GIB


def since_029() -> str:
    """Mean error of the available cache in GiB since the second model runner."""
    ours, formulas = [], []
    for row in rows("startup_logs.jsonl"):
        if "available_kv_gib" in row and rules_for(row["version"]).model_runner_v2:
            response = planned(row)
            ours.append(abs(gib(response.memory.kv_available) - row["available_kv_gib"]))
            formulas.append(abs(formula_left_gib(row, response.memory) - row["available_kv_gib"]))
    return (
        f"available KV cache since 0.29: {statistics.mean(ours):.2f} GiB off on average in {len(ours)} boots "
        f"(formulas {statistics.mean(formulas):.2f})"
    )


def starts() -> str:
    """How many servers are correctly predicted to come up, or not to."""
    right = [decide(*of_log(row)).estimate.starts == ("outcome" not in row) for row in rows("startup_logs.jsonl")]
    return f"starts or fails: {sum(right)} of {len(right)} right"


def planned(row: dict[str, Any], **policy: Any) -> PlanResponse:
    """The plan for the server that wrote a log."""
    return plan(*of_log(row, **policy))


def of_log(row: dict[str, Any], **policy: Any) -> tuple[PlanRequest, Facts]:
    """The request for the server that wrote a log, and the facts to plan it with."""
    limits = {name: row[name] for name in ("max_num_seqs", "max_num_batched_tokens", "enforce_eager") if name in row}
    request = PlanRequest.model_validate(
        {
            "model": {
                "model": row["model"],
                "max_model_len": row.get("max_model_len"),
                "kv_cache_dtype": row.get("kv_cache_dtype", "auto"),
                "dtype": row.get("dtype", "auto"),
            },
            "hardware": {
                "gpu": row["gpu"],
                "gpus": row["tp"] * row["pp"],
                "vram_gb": row.get("total_gib"),
                "tensor_parallel_size": row["tp"],
                "pipeline_parallel_size": row["pp"],
            },
            "policy": {
                "vllm_version": row["version"],
                "gpu_memory_utilization": row.get("utilization"),
                "enable_prefix_caching": row.get("prefix_caching"),
                **limits,
                **policy,
            },
        }
    )
    return request, Facts(load_model_metadata(row["model"]), resolve_gpus(request.hardware))


def _by_formula(metadata: Any, tp: int) -> float:
    """Parameters times bytes, split evenly: what a planner without tensors can say."""
    try:
        return compute_weights_memory(metadata.num_params / 1e9, metadata.dtype, metadata.quantization) / tp
    except ValueError:
        return compute_weights_memory(metadata.num_params / 1e9, metadata.dtype) / tp


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def report() -> str:
    """The table, and beneath it the figures that are not medians."""
    table = [
        f"| {'figure':<44} | rows |   median | 90 % in | formulas |",
        f"| {'-' * 44} | ---: | -------: | -------: | -------: |",
        *(errors.line() for errors in (weights_counted(), *logs())),
    ]
    return "\n".join([*table, "", since_029(), starts()])


def main() -> None:
    print(report())


if __name__ == "__main__":
    main()
