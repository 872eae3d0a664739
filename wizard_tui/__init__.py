"""vllm-wizard-tui: plan, serve and check a model on vLLM.

A public name is loaded when it is first used, so that `import wizard_tui` costs nothing. A type checker cannot follow
that; it reads the same names as plain imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.version import __version__ as __version__

if TYPE_CHECKING:
    from wizard_tui.errors import NoConfig as NoConfig
    from wizard_tui.errors import Refusal as Refusal
    from wizard_tui.hardware.catalog import get_gpu_by_name as get_gpu_by_name
    from wizard_tui.hardware.detect import detect_gpus as detect_gpus
    from wizard_tui.hardware.gpu import GPUInfo as GPUInfo
    from wizard_tui.hardware.topology import recommend_tensor_parallel as recommend_tensor_parallel
    from wizard_tui.models.load import load_model_metadata as load_model_metadata
    from wizard_tui.models.metadata import ModelMetadata as ModelMetadata
    from wizard_tui.planning.memory import compute_feasibility as compute_feasibility
    from wizard_tui.planning.memory import compute_kv_cache_memory as compute_kv_cache_memory
    from wizard_tui.planning.memory import compute_max_concurrency_at_context as compute_max_concurrency_at_context
    from wizard_tui.planning.memory import compute_max_context_at_concurrency as compute_max_context_at_concurrency
    from wizard_tui.planning.memory import compute_overhead as compute_overhead
    from wizard_tui.planning.memory import compute_weights_memory as compute_weights_memory
    from wizard_tui.planning.memory import plan_kv_cache as plan_kv_cache
    from wizard_tui.planning.perf import estimate_performance as estimate_performance
    from wizard_tui.planning.planner import plan as plan
    from wizard_tui.planning.planner import run_plan as run_plan
    from wizard_tui.planning.recommend import generate_recommendations as generate_recommendations
    from wizard_tui.render import render_docker_command as render_docker_command
    from wizard_tui.render import render_docker_compose as render_docker_compose
    from wizard_tui.render import render_k8s_values as render_k8s_values
    from wizard_tui.render import render_serve_command as render_serve_command
    from wizard_tui.resolver import resolve as resolve
    from wizard_tui.schemas.inputs import HardwareInput as HardwareInput
    from wizard_tui.schemas.inputs import ModelInput as ModelInput
    from wizard_tui.schemas.inputs import PlanRequest as PlanRequest
    from wizard_tui.schemas.inputs import PolicyInput as PolicyInput
    from wizard_tui.schemas.inputs import WorkloadInput as WorkloadInput
    from wizard_tui.schemas.outputs import Artifacts as Artifacts
    from wizard_tui.schemas.outputs import FeasibilityReport as FeasibilityReport
    from wizard_tui.schemas.outputs import PerfEstimate as PerfEstimate
    from wizard_tui.schemas.outputs import PlanResponse as PlanResponse
    from wizard_tui.schemas.outputs import VLLMConfig as VLLMConfig
else:
    _MODULE_OF = {
        "PlanRequest": "schemas.inputs",
        "ModelInput": "schemas.inputs",
        "HardwareInput": "schemas.inputs",
        "WorkloadInput": "schemas.inputs",
        "PolicyInput": "schemas.inputs",
        "PlanResponse": "schemas.outputs",
        "VLLMConfig": "schemas.outputs",
        "Artifacts": "schemas.outputs",
        "FeasibilityReport": "schemas.outputs",
        "PerfEstimate": "schemas.outputs",
        "run_plan": "planning.planner",
        "plan": "planning.planner",
        "resolve": "resolver",
        "Refusal": "errors",
        "NoConfig": "errors",
        "ModelMetadata": "models.metadata",
        "load_model_metadata": "models.load",
        "GPUInfo": "hardware.gpu",
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

    __all__ = sorted([*_MODULE_OF, "__version__"])

    def __getattr__(name):
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)

    def __dir__():
        return __all__
