"""The fields of the wizard, derived from the request's schema: label, help, kind and step of each.

Which field stands on which step, and in which order, is the one thing said here; everything else is read from the
pydantic models, so that a field is described once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Kind = Literal["text", "choice"]
AUTO = "auto"
MODEL = "model.model"

# step -> its title, and its fields under headings
FORMS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "model": (
        "Model",
        {
            "What to serve": (
                "model.model",
                "model.max_model_len",
                "model.quantization",
                "model.dtype",
                "model.kv_cache_dtype",
            ),
            "Its repository": ("model.revision", "model.tokenizer", "model.trust_remote_code", "model.params_b"),
        },
    ),
    "hardware": (
        "Hardware",
        {
            "GPUs": (
                "hardware.gpu",
                "hardware.gpus",
                "hardware.indices",
                "hardware.vram_gb",
                "hardware.used_gib",
                "hardware.interconnect",
                "hardware.nodes",
            ),
            "How the model is spread": (
                "hardware.tensor_parallel_size",
                "hardware.pipeline_parallel_size",
                "hardware.data_parallel_size",
                "hardware.enable_expert_parallel",
            ),
        },
    ),
    "workload": (
        "Workload",
        {
            "Requests": (
                "workload.prompt_tokens",
                "workload.gen_tokens",
                "workload.concurrency",
                "workload.shared_prefix_tokens",
                "workload.streaming",
            ),
            "Goals": ("workload.target_ttft_ms", "workload.target_tpot_ms", "workload.batching_mode"),
            "A run of your own server, if there was one": (
                "workload.measured_toks_per_s",
                "workload.measured_ttft_ms",
                "workload.measured_tpot_ms",
                "workload.measured_concurrency",
                "workload.measured_prompt_tokens",
                "workload.measured_gen_tokens",
            ),
        },
    ),
    "policy": (
        "Policy",
        {
            "Memory": (
                "policy.gpu_memory_utilization",
                "policy.kv_cache_memory_bytes",
                "policy.headroom_gb",
                "policy.overhead_gb",
                "policy.fragmentation_factor",
                "policy.block_size",
            ),
            "Batches": (
                "policy.max_num_seqs",
                "policy.max_num_batched_tokens",
                "policy.enable_prefix_caching",
                "policy.enforce_eager",
                "policy.max_cudagraph_capture_size",
                "policy.speculative_tokens",
            ),
            "Adapters": ("policy.lora_modules", "policy.max_loras", "policy.max_lora_rank"),
            "Server": (
                "policy.host",
                "policy.port",
                "policy.api_key_env",
                "policy.served_model_name",
                "policy.vllm_version",
                "policy.image",
            ),
        },
    ),
}
STEPS: dict[str, tuple[str, tuple[str, ...]]] = {
    step: (title, tuple(path for paths in groups.values() for path in paths)) for step, (title, groups) in FORMS.items()
}

# names where the schema's own would not fit the label column or not speak plainly
_LABELS = {
    "model.model": "model",
    "model.max_model_len": "max model len",
    "model.params_b": "parameters (B)",
    "hardware.gpu": "GPU",
    "hardware.gpus": "GPUs",
    "hardware.vram_gb": "VRAM (GiB)",
    "hardware.used_gib": "used (GiB)",
    "hardware.tensor_parallel_size": "tensor parallel",
    "hardware.pipeline_parallel_size": "pipeline parallel",
    "hardware.data_parallel_size": "data parallel",
    "hardware.enable_expert_parallel": "expert parallel",
    "hardware.indices": "which GPUs",
    "workload.gen_tokens": "answer tokens",
    "workload.shared_prefix_tokens": "shared prefix",
    "workload.target_ttft_ms": "TTFT goal (ms)",
    "workload.target_tpot_ms": "TPOT goal (ms)",
    "workload.measured_toks_per_s": "measured tok/s",
    "workload.measured_ttft_ms": "measured TTFT",
    "workload.measured_tpot_ms": "measured TPOT",
    "workload.measured_concurrency": "  at concurrency",
    "workload.measured_prompt_tokens": "  prompt tokens",
    "workload.measured_gen_tokens": "  answer tokens",
    "policy.gpu_memory_utilization": "utilization",
    "policy.max_cudagraph_capture_size": "CUDA graphs up to",
    "policy.speculative_tokens": "drafted tokens",
    "policy.lora_modules": "LoRA adapters",
    "policy.max_loras": "LoRAs in a batch",
    "policy.max_lora_rank": "largest LoRA rank",
    "policy.max_num_batched_tokens": "batched tokens",
    "policy.enable_prefix_caching": "prefix caching",
    "policy.kv_cache_memory_bytes": "KV cache bytes",
    "policy.headroom_gb": "headroom (GiB)",
    "policy.overhead_gb": "overhead (GiB)",
    "policy.fragmentation_factor": "KV safety factor",
    "policy.vllm_version": "vLLM version",
    "policy.api_key_env": "API key variable",
    "policy.served_model_name": "served name",
}


@dataclass(frozen=True)
class Field:
    """One line of a form. `choices` are the words it cycles through; the empty choice means `auto`."""

    path: str
    label: str
    help: str
    kind: Kind
    default: str
    choices: tuple[str, ...] = ()

    @property
    def section(self) -> str:
        """The section of the request."""
        return self.path.partition(".")[0]

    @property
    def name(self) -> str:
        """The field's name in its section."""
        return self.path.partition(".")[2]

    @property
    def widget_id(self) -> str:
        """An id that Textual accepts."""
        return self.path.replace(".", "-")


@lru_cache(maxsize=1)
def all_fields() -> dict[str, Field]:
    """Every field by its path, in the order of the steps. The schema is loaded here, when the first screen is drawn."""
    from wizard_tui.schemas.inputs import PlanRequest

    sections = PlanRequest.model_fields
    return {
        path: _field(path, sections[path.partition(".")[0]].annotation)
        for _, (_, paths) in STEPS.items()
        for path in paths
    }


def path_of(widget_id: str) -> str:
    """The path of the field that a widget edits."""
    return widget_id.replace("-", ".", 1)


def step_of(path: str) -> str:
    """The step on which a field stands."""
    return next(step for step, (_, paths) in STEPS.items() if path in paths)


def said(texts: Mapping[str, str]) -> str:
    """Fields with their texts, in words."""
    return ", ".join(f"{all_fields()[path].label.strip()} {text or AUTO}" for path, text in texts.items())


def _field(path: str, section: Any) -> Field:
    name = path.partition(".")[2]
    info: FieldInfo = section.model_fields[name]
    choices = _choices(info.annotation)
    default = "" if info.is_required() else text_of(info.default)
    return Field(
        path=path,
        label=_LABELS.get(path, name.replace("_", " ")),
        help=info.description or "",
        kind="choice" if choices else "text",
        default=default,
        choices=choices,
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    if get_origin(annotation) is Annotated:
        return _choices(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return tuple(get_args(annotation))
    if annotation is bool:
        return ("no", "yes")
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if parts == [bool]:
        return ("", "yes", "no")
    return _choices(parts[0]) if len(parts) == 1 else ()


def text_of(value: object) -> str:
    """A value of the request as a field shows it; empty for one that is left to the planner."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return f"{value:.12g}" if isinstance(value, float) else str(value)
