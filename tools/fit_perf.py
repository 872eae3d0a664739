"""Fit the constants of the roofline to measured operating points, and tell how far it is off on points kept apart.

    python -m tools.fit_perf FILE.jsonl ... [--check] [--write] [--by configuration|model]

tools/measured_points.py tells what a line of a file is. Groups of points never straddle a split: neither errors nor
ranges are told on a group that they were fitted to.
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
from pathlib import Path
from typing import Any

from tools.measured_points import Case, cases_of, predict, version_of
from wizard_tui.engine.versions import rules_for
from wizard_tui.planning.roofline import constants

CONSTANTS = Path(__file__).parent.parent / "wizard_tui" / "planning" / "perf_constants.json"

Residual = tuple[Case, str, float]

FOLDS = 5
SWEEPS = 30
PRIOR = 2.0
NOT_FITTED = ("about", "fallback", "bands", "measured_bands")
HIGHEST_SHARE = 1.0
METRICS = ("toks_per_s", "ttft", "tpot")

# What the file says of itself.
ABOUT = [
    "Written by `python -m tools.fit_perf FILE.jsonl ... --write`; do not edit by hand. planning/roofline.py uses it.",
    "Fitted to published measurements of vLLM servers, a part of which, each with its address, is"
    " tests/data/throughput_points.jsonl.",
    "Names in `_us` are microseconds: `layer_us` a layer and `step_us` a step of the engine, `sequence_us` a running"
    " sequence in each step, `request_us` and `first_token_us` a request, `all_reduce_us` one all-reduce.",
    "`bandwidth`, `link`, `prefill`, `attention`, `decode_compute` and the others without a unit are shares of what the"
    " data sheet promises; `power_cap` has exponents on the share of the usual power limit; `prefill_mix`, `first_wave`"
    " and `crowd` are factors on the time that the prompts of others take.",
    "`fallback` is not fitted: a mid-range card, for a GPU that the catalogue does not have (TFLOP/s, 10^9 bytes/s).",
    "`bands` are factors around the median between which 80 % of the points kept apart lie; `measured_bands` those"
    " that are left once a run of the same server corrects the forecast.",
]

# Where the search starts, and what holds it where the points say little: round figures of the right size.
START: dict[str, Any] = {
    "bandwidth": {"hbm": 0.8, "gddr": 0.8, "amd": 0.6},
    "power_cap": {"bandwidth": 0.7, "compute": 0.5},
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
}


def flatten(nested: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    """The constants by dotted name, without those that are not fitted."""
    flat: dict[str, float] = {}
    for key, value in nested.items():
        if key in NOT_FITTED:
            continue
        if isinstance(value, Mapping):
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


def errors(cases: Iterable[Case], fitted: Mapping[str, Any]) -> list[Residual]:
    """log(predicted / measured) of every measured metric."""
    return [
        (case, metric, math.log(value / case.measured[metric]))
        for case in cases
        for metric, value in predict(case, fitted).items()
    ]


def fit(cases: list[Case], start: Mapping[str, Any], sweeps: int) -> dict[str, Any]:
    """Constants that bring the predictions closest, by a search along one constant at a time.

    Errors count by their size, not their square, and no more than a factor of three; a configuration with many points
    counts by their root, and each metric for as much as another; a constant that no point depends on stays put.
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


def bands(residuals: Iterable[Residual]) -> dict[str, list[float]]:
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


def after_measuring(residuals: Iterable[Residual]) -> list[Residual]:
    """The error left on a configuration's other points when one of them is used to correct the rest."""
    alike: dict[tuple[str, str], list[Residual]] = defaultdict(list)
    for entry in residuals:
        alike[entry[0].configuration, entry[1]].append(entry)
    return [
        (case, metric, error - known)
        for group in alike.values()
        for case, metric, error in group
        for other, _, known in group
        if other is not case
    ]


def weighted_quantile(values: list[tuple[float, float]], share: float) -> float:
    """The value below which `share` of the weight lies; pairs of value and weight."""
    whole, seen = sum(weight for _, weight in values), 0.0
    for value, weight in sorted(values):
        seen += weight
        if seen >= share * whole:
            return value
    return max(values)[0]


def report(apart: list[list[Residual]]) -> None:
    """Errors of each fold under constants of the others, and coverage under ranges of the others."""
    inside: dict[str, list[bool]] = defaultdict(list)
    sizes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for index, fold in enumerate(apart):
        others = bands(entry for i, part in enumerate(apart) if i != index for entry in part)
        for case, metric, error in fold:
            low, high = others[metric]
            inside[metric].append(low <= math.exp(-error) <= high)
            size = abs(math.expm1(error))
            for label in (
                "all",
                case.regime,
                rules_for(version_of(case.row)).engine,
                case.gpu.name,
                str(case.row["model"]),
            ):
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
    "source": lambda case: str(case.row["source"]),
    "model": lambda case: str(case.row["model"]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="errors of the shipped constants only, no fit")
    parser.add_argument("--write", action="store_true", help="write constants and ranges to perf_constants.json")
    parser.add_argument("--by", choices=GROUPS, default="configuration", help="what a group is")
    options = parser.parse_args()
    cases = cases_of(options.files)
    print(f"{len(cases)} points")
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
        residuals = [entry for fold in apart for entry in fold]
        ranges = {"bands": bands(residuals), "measured_bands": bands(after_measuring(residuals))}
        for band in ranges.values():
            # no source states how fast prompts are read; the time to the first token is nearest
            band["prefill"] = [float(f"{1 / factor:.3g}") for factor in reversed(band["ttft"])]
        CONSTANTS.write_text(json.dumps({"about": ABOUT} | fitted[-1] | ranges, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
