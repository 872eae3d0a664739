"""Fit the constants of the roofline to measured operating points, and tell how far it is off on points kept apart.

    python -m tools.fit_perf FILE.jsonl ... [--check] [--write] [--by configuration|model]

One line of a file is one published point: `model` (a key of measured_models.json), `gpu`, `tp`, `prec`, `vllm`, `isl`
and `osl` (tokens), `concurrency` or `n_prompts` sent at once, and any of `out_tps`, `total_tps`, `ttft_ms`, `tpot_ms`.
Groups of points never straddle a split: neither errors nor ranges are told on a group that they were fitted to.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.roofline import Load, Roofline, Traffic, constants, engine_class

Row = Mapping[str, Any]

CONSTANTS = Path(__file__).parent.parent / "wizard_tui" / "planning" / "perf_constants.json"
MODELS: dict[str, Any] = json.loads((Path(__file__).parent / "measured_models.json").read_text(encoding="utf-8"))

BITS = {"bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "w8a8": 8.0, "w8a16": 8.25, "fp4": 4.5, "mxfp4": 4.25, "int4": 4.25}
BITS |= {"w4a16": 4.25}
ARITHMETIC = {"fp8": "fp8", "w8a8": "int8", "fp4": "fp4"}
DEFAULT_UTILISATION, RESERVE_BYTES = 0.9, 3e9
FOLDS = 5
SWEEPS = 30
PRIOR = 2.0
NOT_FITTED = ("fallback", "bands")
HIGHEST_SHARE = 1.0
METRICS = ("toks_per_s", "ttft", "tpot")


# What the search starts from and is held to, where the points say little: round figures of the right size.
START: dict[str, Any] = {
    "bandwidth": {"hbm": 0.8, "gddr": 0.8, "amd": 0.6},
    "four_bit_weights": 0.9,
    "expert_weights": 0.9,
    "kv_read": 0.7,
    "prefill": {"volta": 0.4, "ampere": 0.7, "hopper": 0.7, "blackwell": 0.6, "gddr": 0.7, "amd": 0.4},
    "attention": 0.7,
    "decode_compute": 0.5,
    "moe_prefill": 0.5,
    "moe_decode": 0.7,
    "native_low_precision": 0.8,
    "weight_only": 0.9,
    "moe_layer_us": 30,
    "engine": {
        "v0": {"layer_us": 30, "step_us": 2000, "sequence_us": 30, "request_us": 2000, "first_token_us": 15000},
        "early_v1": {"layer_us": 30, "step_us": 500, "sequence_us": 30, "request_us": 1000, "first_token_us": 15000},
        "v1": {"layer_us": 25, "step_us": 250, "sequence_us": 5, "request_us": 1000, "first_token_us": 15000},
    },
    "all_reduce_us": {"nvlink": 15, "amd": 15, "p2p": 20, "geforce": 20},
    "link": {"nvlink": 0.5, "amd": 0.4, "p2p": 0.5, "geforce": 0.2},
    "prefill_mix": 1.0,
    "first_wave": 0.1,
    "crowd": 0.3,
    "fallback": {"tflops": 100, "bandwidth_gb_s": 900, "link_gb_s": 25},
    "bands": {},
}


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
    """What a row says in the planner's terms; None where a fact is missing or the setting is not a plain server."""
    precision = row.get("prec") or "bf16"
    if row.get("quant") == "mxfp4":
        precision = "mxfp4"
    name = next((name for name in sorted(BITS, key=len, reverse=True) if name in precision), None)
    slow_kernel = row.get("quant") == "gptq-w4a16"
    if row["model"] not in MODELS or name is None or row.get("eager") or row.get("spec") or slow_kernel:
        return None
    if (row.get("dp") or 1) > 1 or row.get("power_limit_w") or row.get("osl", 0) < 8:
        return None
    try:
        gpu = get_gpu_by_name(str(row["gpu"]))
    except ValueError:
        return None
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
    large = gpu.total_bytes > 70e9 and engine_class(_version(row)) != "v0"
    traffic = Traffic(
        prompt_tokens=row["isl"],
        gen_tokens=row["osl"],
        concurrency=clients,
        max_num_seqs=row.get("max_num_seqs") or (1024 if large else 256),
        kv_tokens=free / load.kv_bytes_per_token,
    )
    return Case(row, load, gpu, traffic, _measured(row))


def _measured(row: Row) -> dict[str, float]:
    rate = row.get("out_tps")
    if not rate and row.get("total_tps"):
        rate = row["total_tps"] * row["osl"] / (row["osl"] + row["isl"])
    found = {"toks_per_s": rate}
    if row.get("concurrency"):
        # in a burst they tell of the queue that the benchmark made
        found |= {"ttft": row.get("ttft_ms"), "tpot": row.get("tpot_ms")}
    return {metric: float(value) for metric, value in found.items() if value}


def _load(shape: Mapping[str, Any], bits: float, tp: int, arithmetic: str, kv_scale: float) -> Load:
    experts, chosen = shape.get("num_experts", 0), shape.get("top_k", 0)
    routed = shape.get("experts", 0.0) * 1e9
    # checkpoints of 4 bits leave all but the experts of a mixture alone
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
        moe_layers=shape.get("moe_layers", shape["layers"]) if experts else 0,
        hidden_size=shape["hidden"],
        query_dim=shape["query_dim"],
        kv_bytes_per_token=kv_bytes / min(tp, shape["kv_heads"]),
        weight_bits=16 if bits > 12 else 8 if bits > 6 else 4,
        arithmetic=arithmetic,
        tp=tp,
    )


def _version(row: Row) -> str | None:
    text = str(row.get("vllm") or "").lstrip("v").split(" ")[0]
    return text if text[:1].isdigit() and text.count(".") >= 1 else None


def predict(case: Case, fitted: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that were measured, as the constants predict them."""
    roofline = Roofline(case.load, case.gpu, vllm_version=_version(case.row), fitted=fitted)
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
    prefill = roofline.prefill_s(prompt) * roofline._mix
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


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The constants by dotted name, without those that are not fitted."""
    flat: dict[str, float] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            if key not in NOT_FITTED:
                flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = float(value)
    return flat


def unflatten(flat: Mapping[str, float], base: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the named constants in place of its own."""
    result: dict[str, Any] = json.loads(json.dumps(base))
    for name, value in flat.items():
        *path, last = name.split(".")
        place = result
        for part in path:
            place = place[part]
        place[last] = value
    return result


def errors(cases: Iterable[Case], fitted: Mapping[str, Any]) -> list[tuple[Case, str, float]]:
    """log(predicted / measured) of every measured metric."""
    return [
        (case, metric, math.log(value / case.measured[metric]))
        for case in cases
        for metric, value in predict(case, fitted).items()
    ]


def fit(cases: list[Case], start: Mapping[str, Any], sweeps: int) -> dict[str, Any]:
    """Constants that bring the predictions closest, by a search along one constant at a time.

    Errors count by their size, not their square, and no more than a factor of three; a configuration with many points
    counts by their root, and each metric for as much as another; a constant that the points say nothing of stays put.
    """
    base = dict(start)
    values = flatten(base)
    origin = {name: math.log(value) for name, value in values.items()}
    share = {name for name in values if "_us" not in name and not name.endswith("prefill_mix")}
    counts = Counter((case.configuration, metric) for case in cases for metric in case.measured)
    whole = {metric: sum(math.sqrt(n) for (_, of), n in counts.items() if of == metric) for metric in METRICS}
    weights = {(name, metric): 100 / math.sqrt(n) / max(1.0, whole[metric]) for (name, metric), n in counts.items()}

    def cost(trial: Mapping[str, float]) -> float:
        fitted = unflatten(trial, base)
        total = sum(
            weights[case.configuration, metric] * math.sqrt(min(abs(error), math.log(3)) ** 2 + 0.03**2)
            for case, metric, error in errors(cases, fitted)
        )
        return total + PRIOR * sum((math.log(value) - origin[name]) ** 2 for name, value in trial.items())

    best, steps = cost(values), dict.fromkeys(values, 0.35)
    for _ in range(sweeps):
        for name in values:
            for sign in (1, -1):
                factor = math.exp(sign * steps[name])
                moved = values[name] * factor
                if name in share:
                    moved = min(moved, HIGHEST_SHARE)
                trial = values | {name: moved}
                found = cost(trial)
                if found < best:
                    best, values = found, trial
                    steps[name] = min(0.6, steps[name] * 1.3)
                    break
            else:
                steps[name] *= 0.5
    return unflatten({name: float(f"{value:.3g}") for name, value in values.items()}, base)


def _fit_fold(work: tuple[list[Case], Mapping[str, Any], int]) -> dict[str, Any]:
    return fit(*work)


def folds_of(cases: list[Case], group: Callable[[Case], str]) -> list[list[Case]]:
    """Folds of whole groups, of about the same size."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[group(case)].append(case)
    names = sorted(groups)
    random.Random(0).shuffle(names)  # noqa: S311
    folds: list[list[Case]] = [[] for _ in range(FOLDS)]
    for name in sorted(names, key=lambda n: -len(groups[n])):
        min(folds, key=len).extend(groups[name])
    return folds


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def bands(residuals: Iterable[tuple[Case, str, float]]) -> dict[str, list[float]]:
    """Factors around a prediction between which 80 % of the measured values lie, by metric.

    A configuration counts by the root of its points here too: the range is for the next one, which is none of these.
    """
    found = list(residuals)
    counts = Counter((case.configuration, metric) for case, metric, _ in found)
    by_metric: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for case, metric, error in found:
        by_metric[metric].append((-error, 1 / math.sqrt(counts[case.configuration, metric])))
    return {
        metric: [float(f"{math.exp(weighted_quantile(errs, share)):.3g}") for share in (0.1, 0.9)]
        for metric, errs in by_metric.items()
    }


def weighted_quantile(values: list[tuple[float, float]], share: float) -> float:
    """The value below which `share` of the weight lies; pairs of value and weight."""
    whole, seen = sum(weight for _, weight in values), 0.0
    for value, weight in sorted(values):
        seen += weight
        if seen >= share * whole:
            return value
    return max(values)[0]


def report(apart: list[list[tuple[Case, str, float]]]) -> None:
    """Errors of each fold under constants of the others, and coverage under ranges of the others."""
    inside: dict[str, list[bool]] = defaultdict(list)
    sizes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for index, fold in enumerate(apart):
        others = bands(entry for i, part in enumerate(apart) if i != index for entry in part)
        for case, metric, error in fold:
            low, high = others[metric]
            inside[metric].append(low <= math.exp(-error) <= high)
            size = abs(math.expm1(error))
            for label in ("all", case.regime, engine_class(_version(case.row)), case.gpu.name, str(case.row["model"])):
                sizes[metric, label].append(size)
    for metric in METRICS:
        total = sizes[metric, "all"]
        covered = statistics.mean(inside[metric])
        print(
            f"{metric:11} n={len(total):4}  median error {statistics.median(total):6.1%}"
            f"  p90 {quantile(total, 0.9):6.1%}  inside the 80 % range {covered:6.1%}"
        )
        for (of, label), found in sorted(sizes.items()):
            if of == metric and label != "all":
                print(f"    {label:32} n={len(found):4}  {statistics.median(found):6.1%}")


GROUPS: dict[str, Callable[[Case], str]] = {
    "configuration": lambda case: case.configuration,
    "model": lambda case: str(case.row["model"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="errors of the shipped constants only, no fit")
    parser.add_argument("--write", action="store_true", help="write constants and ranges to perf_constants.json")
    parser.add_argument("--by", choices=GROUPS, default="configuration", help="what a group is")
    options = parser.parse_args()
    rows = [
        json.loads(line) for file in options.files for line in file.read_text(encoding="utf-8").splitlines() if line
    ]
    cases = [case for case in map(case_of, rows) if case is not None and case.measured]
    print(f"{len(rows)} points, {len(cases)} of them a plain server of a known model")
    folds = folds_of(cases, GROUPS[options.by])
    if options.check:
        report([errors(fold, constants()) for fold in folds])
        return
    work: list[tuple[list[Case], Mapping[str, Any], int]] = [
        ([case for other in folds if other is not fold for case in other], START, SWEEPS) for fold in folds
    ]
    if options.write:
        work.append((cases, START, SWEEPS))
    with ProcessPoolExecutor() as pool:
        fitted = list(pool.map(_fit_fold, work))
    apart = [errors(fold, found) for fold, found in zip(folds, fitted, strict=False)]
    report(apart)
    if options.write:
        found = bands(entry for fold in apart for entry in fold)
        fitted[-1]["bands"] = found | {"prefill": found["ttft"]}
        CONSTANTS.write_text(json.dumps(fitted[-1], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
