"""Published operating points as the planner sees them, and what the roofline says of each.

One line of a file is one point: `model` (a key of measured_models.json), `gpu`, `tp`, `prec`, `vllm`, `isl` and `osl`
(tokens), `len_dist` of the answers, `concurrency` or `n_prompts` sent at once, any of `out_tps`, `total_tps`,
`ttft_ms`, `tpot_ms`, and the `source`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wizard_tui.engine.versions import rules_for
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.roofline import Load, Roofline, Traffic

Row = Mapping[str, Any]

MODELS: dict[str, Any] = json.loads((Path(__file__).parent / "measured_models.json").read_text(encoding="utf-8"))

BITS = {"bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "w8a8": 8.0, "w8a16": 8.25, "fp4": 4.5, "mxfp4": 4.25, "int4": 4.25}
BITS |= {"w4a16": 4.25}
ARITHMETIC = {"fp8": "fp8", "w8a8": "int8", "fp4": "fp4"}
DEFAULT_UTILISATION, RESERVE_BYTES = 0.9, 3e9


@dataclass(frozen=True)
class Case:
    """One measured point, ready to be predicted."""

    row: Row
    load: Load
    gpu: GPU
    traffic: Traffic
    measured: Mapping[str, float]

    @property
    def configuration(self) -> str:
        row = self.row
        family = str(row["source"]).split(":")[0]
        return "|".join(
            str(part) for part in (family, row["model"], row["gpu"], row.get("prec"), row["tp"], row.get("vllm"))
        )

    @property
    def regime(self) -> str:
        clients = self.row.get("concurrency")
        return "burst" if not clients else "single" if clients == 1 else "shared"


def case_of(row: Row) -> Case | None:
    """A row in the planner's terms; None when a fact is missing or the setting is not a plain server."""
    precision = row.get("prec") or "bf16"
    if row.get("quant") == "mxfp4":
        precision = "mxfp4"
    name = next((name for name in sorted(BITS, key=len, reverse=True) if name in precision), None)
    slow_kernel = row.get("quant") == "gptq-w4a16"
    if row["model"] not in MODELS or name is None or row.get("eager") or row.get("spec") or slow_kernel:
        return None
    if (row.get("dp") or 1) > 1 or row.get("osl", 0) < 8:
        return None
    try:
        gpu = get_gpu_by_name(str(row["gpu"]))
    except ValueError:
        return None
    gpu = replace(gpu, power_limit_w=row.get("power_limit_w") or gpu.power_limit_w)
    load = _load(
        MODELS[row["model"]],
        BITS[name],
        int(row["tp"]),
        ARITHMETIC.get(name, "half"),
        0.5 if row.get("kv_dtype") == "fp8" else 1.0,
    )
    free = gpu.total_bytes * DEFAULT_UTILISATION - load.dense_bytes - load.expert_bytes - RESERVE_BYTES
    clients = row.get("concurrency") or row.get("n_prompts")
    if free <= 0 or not clients:
        return None
    engine = rules_for(version_of(row)).engine
    large = gpu.total_bytes > 70e9 and engine != "v0"
    chunk = math.inf if engine == "v0" else 8192 if large else 2048
    traffic = Traffic(
        prompt_tokens=row["isl"],
        gen_tokens=row["osl"],
        concurrency=clients,
        max_num_seqs=row.get("max_num_seqs") or (1024 if large else 256),
        kv_tokens=free / load.kv_bytes_per_token,
        max_num_batched_tokens=row.get("max_batched_tokens") or chunk,
    )
    return Case(row, load, gpu, traffic, _measured(row))


def _measured(row: Row) -> dict[str, float]:
    rate = row.get("out_tps")
    if not rate and row.get("total_tps"):
        rate = row["total_tps"] * row["osl"] / (row["osl"] + row["isl"])
    found = {"toks_per_s": rate}
    if row.get("concurrency"):
        # in a burst they measure the queue that the benchmark made
        found |= {"ttft": row.get("ttft_ms"), "tpot": row.get("tpot_ms")}
    return {metric: float(value) for metric, value in found.items() if value}


def _load(shape: Mapping[str, Any], bits: float, tp: int, arithmetic: str, kv_scale: float) -> Load:
    experts, chosen = shape.get("num_experts", 0), shape.get("top_k", 0)
    routed = shape.get("experts", 0.0) * 1e9
    # 4-bit checkpoints of a mixture quantise only the experts
    dense_bits = 16.0 if experts and bits < 8 else bits
    active = shape["dense"] * 1e9 + (routed * chosen / experts if experts else 0.0)
    kv_bytes = 2.0 * kv_scale * shape["kv_width"] * shape.get("kv_layers", shape["layers"])
    return Load(
        dense_bytes=shape["dense"] * 1e9 * dense_bits / 8 / tp,
        expert_bytes=routed * bits / 8 / tp,
        num_experts=experts,
        experts_per_token=chosen,
        active_params=active / tp,
        layers=shape["layers"],
        attention_layers=shape.get("kv_layers", shape["layers"]),
        moe_layers=shape.get("moe_layers", shape["layers"]) if experts else 0,
        hidden_size=shape["hidden"],
        query_dim=shape["query_dim"],
        kv_bytes_per_token=kv_bytes / min(tp, shape["kv_heads"]),
        weight_bits=16 if bits > 12 else 8 if bits > 6 else 4,
        arithmetic=arithmetic,
        tp=tp,
    )


def version_of(row: Row) -> str | None:
    """The vLLM version of a row, where it states one."""
    text = str(row.get("vllm") or "").lstrip("v").split(" ")[0]
    return text if text[:1].isdigit() and text.count(".") >= 1 else None


def predict(case: Case, fitted: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that were measured, as the constants predict them."""
    roofline = Roofline(case.load, case.gpu, vllm_version=version_of(case.row), fitted=fitted)
    if case.regime == "burst":
        return {"toks_per_s": _burst(roofline, case)} if "toks_per_s" in case.measured else {}
    point = roofline.at(case.traffic)
    every = {"toks_per_s": point.decode_toks_per_s, "ttft": point.ttft_ms, "tpot": point.tpot_ms}
    return {metric: every[metric] for metric in case.measured}


def _burst(roofline: Roofline, case: Case) -> float:
    """Output tokens a second of prompts that all arrive at once: full batches first, then fewer and fewer."""
    traffic, total = case.traffic, float(case.traffic.concurrency)
    prompt, answer = traffic.prompt_tokens, traffic.gen_tokens
    running = min(total, traffic.room)
    prefill = roofline.prefill_s(prompt) * roofline.prefill_mix
    seconds = total * prefill + (total - running) / running * answer * roofline.step_s(running, prompt + answer / 2)
    # the last batch thins out as answers end: at once, evenly up to twice the mean, or exponentially
    spread = case.row.get("len_dist")
    if spread == "const":
        seconds += answer * roofline.step_s(running, prompt + answer / 2)
    else:
        parts = 8
        ends = [(i + 0.5) / parts for i in range(parts)]
        lengths = [2 * answer * q if spread == "unif" else -answer * math.log(1 - q) for q in ends]
        previous = 0.0
        for index, length in enumerate(lengths):
            left = running * (1 - index / parts)
            seconds += (length - previous) * roofline.step_s(max(1.0, left), prompt + length / 2)
            previous = length
    return total * answer / seconds


def cases_of(files: Iterable[Path]) -> list[Case]:
    """The points in the files with a plain server, a known model and at least one measurement."""
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines() if line]
    return [case for case in map(case_of, rows) if case is not None and case.measured]
