"""Processor time of a planner's core, in ms, taken in its own environment and printed as JSON.

    python tools/bench_core.py wizard_tui FOLDER...       this one
    python tools/bench_core.py vllm_wizard FOLDER...      vllm-wizard

Each folder holds a config.json. The sweep asks 1,000 different questions about them.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from importlib import import_module
from itertools import product
from typing import Any

GPU = "H100 80GB"
GPUS, CONTEXTS = (1, 2, 4, 8), (2048, 4096, 8192, 16384, 32768)
CONCURRENCIES, CACHES = (1, 4, 16, 64, 256), ("auto", "fp8_e5m2")
RUNS = 100


def questions(folders: list[str]) -> list[dict[str, Any]]:
    """1,000 requests for five folders, as plain data that both planners take."""
    return [
        {
            "model": {"model": folder, "max_model_len": context, "kv_cache_dtype": cache},
            "hardware": {"gpu": GPU, "gpus": gpus},
            "workload": {"concurrency": concurrency},
        }
        for folder, gpus, context, concurrency, cache in product(folders, GPUS, CONTEXTS, CONCURRENCIES, CACHES)
    ]


def main() -> None:
    package, *folders = sys.argv[1:]
    started = time.process_time()
    planner = import_module(f"{package}.planning.planner")
    inputs = import_module(f"{package}.schemas.inputs")
    figures = {"import": 1e3 * (time.process_time() - started)}
    asked = [inputs.PlanRequest.model_validate(question) for question in questions(folders)]
    plan_one, one = planner.run_plan, asked[0]
    if package == "wizard_tui":
        figures["sweep"] = _swept_with_facts(planner, asked)
    else:
        # every plan reads the config again: there is no other way into it
        started = time.process_time()
        for request in asked:
            plan_one(request)
        figures["sweep"] = 1e3 * (time.process_time() - started)
    figures["run_plan"] = _median_ms(lambda: plan_one(one))
    print(json.dumps(figures))


def _swept_with_facts(planner: Any, asked: list[Any]) -> float:
    """Models and GPUs are resolved once; the time covers all of the planning, and nothing was planned before."""
    resolve = import_module("wizard_tui.resolve")
    models = {request.model.model: resolve.resolve_model(request.model) for request in asked[:: len(asked) // 5]}
    boxes = {request.hardware: resolve.resolve_gpus(request.hardware) for request in asked}
    facts = [resolve.Facts(models[request.model.model], boxes[request.hardware]) for request in asked]
    started = time.process_time()
    for request, known in zip(asked, facts, strict=True):
        planner.plan(request, known)
    return 1e3 * (time.process_time() - started)


def _median_ms(work: Any) -> float:
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return 1e3 * statistics.median(times)


if __name__ == "__main__":
    main()
