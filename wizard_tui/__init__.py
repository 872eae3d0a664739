"""vllm-wizard-tui: plan, serve and check a model on vLLM.

The public names are loaded on first use, so that `import wizard_tui` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "PlanRequest": "schemas.inputs",
    "PlanResponse": "schemas.outputs",
    "VLLMConfig": "schemas.outputs",
    "FeasibilityReport": "schemas.outputs",
    "PerfEstimate": "schemas.outputs",
    "run_plan": "planning.planner",
    "plan": "planning.planner",
    "resolve": "resolve",
    "ModelMetadata": "models.metadata",
    "load_model_metadata": "models.load",
    "detect_gpus": "hardware.detect",
    "get_gpu_by_name": "hardware.catalog",
    "recommend_tensor_parallel": "hardware.topology",
    "compute_weights_memory": "planning.memory",
    "compute_kv_cache_memory": "planning.memory",
    "compute_overhead": "planning.memory",
    "compute_feasibility": "planning.memory",
    "compute_max_concurrency_at_context": "planning.memory",
    "compute_max_context_at_concurrency": "planning.memory",
    "plan_kv_cache": "planning.memory",
    "generate_recommendations": "planning.recommend",
    "estimate_performance": "planning.perf",
    "render_serve_command": "render",
    "render_docker_command": "render",
    "render_docker_compose": "render",
    "render_k8s_values": "render",
}

__all__ = sorted([*_PUBLIC, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return __all__
