"""From a decision to flags: what is passed to vLLM, what is left to its defaults, and one reason for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from wizard_tui.engine import speculation
from wizard_tui.engine.parsers import ParserChoice, parsers_for, template_in_image
from wizard_tui.engine.versions import image_tag
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decide import batch_limits, context_at_concurrency, decide
from wizard_tui.planning.decision import Decision
from wizard_tui.resolver import Facts
from wizard_tui.schemas.fields import flags_as_set
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import Deployment, VLLMConfig

_MODE_REASONS = {
    "interactivity": "latency is preferred: a CUDA graph for every small batch",
    "throughput": "throughput is preferred: batches twice as large",
}


def generate_recommendations(
    request: PlanRequest, metadata: ModelMetadata, gpus: Sequence[GPU], vram_total_bytes: int
) -> VLLMConfig:
    """The flags for a request on GPUs that hold `vram_total_bytes` together; an empty list means one unnamed GPU.

    Raises Refusal when no GPU and no memory is given.
    """
    if vram_total_bytes <= 0:
        raise Refusal("vram_total_bytes must be positive")
    if gpus:
        each = vram_total_bytes // len(gpus)
        box = tuple(replace(gpu, total_bytes=each) for gpu in gpus)
    else:
        box = (GPU(name="manual GPU", total_bytes=vram_total_bytes, source="manual"),)
    return build_config(decide(request, Facts(metadata, box)))


def build_config(decision: Decision) -> VLLMConfig:
    """Flags of a decision. A flag that equals vLLM's default for the version is left out unless the user set it."""
    flags: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for field, value, reason in _flags(decision):
        flags[field] = value
        reasons[field] = reason
    return VLLMConfig(
        **flags,
        deployment=_deployment(decision),
        explanations=reasons if decision.request.explain else {},
    )


def _flags(decision: Decision) -> list[tuple[str, Any, str]]:
    request, memory, metadata = decision.request, decision.estimate, decision.facts.metadata
    settings, gpu = memory.settings, memory.gpu
    yours = _user_set(request)
    # artifacts run in other directories, and catalogue names may be typed in short form
    rows: list[tuple[str, Any, str]] = [("model", metadata.path or metadata.model_id, "the model to serve")]

    def add(field: str, value: Any, default: Any, reason: str, set_by: str | None = None) -> None:
        if (set_by or field) in yours:
            rows.append((field, value, "set by you"))
        elif value != default:
            rows.append((field, value, reason))

    rows.extend((name, value, "set by you") for name, value in flags_as_set(request).items())
    if request.model.trust_remote_code:
        rows.append(("trust_remote_code", True, "set by you: vLLM runs code from the repository"))
    if request.model.dtype != "auto":
        rows.append(("dtype", settings.dtype, "set by you"))
    add("quantization", settings.quantization, None, "shrinks the weights")
    if settings.kv_cache_dtype != "auto":
        rows.append(("kv_cache_dtype", settings.kv_cache_dtype, "set by you"))
    add(
        "max_model_len",
        settings.max_model_len,
        metadata.max_position_embeddings,
        f"the model could take {metadata.max_position_embeddings:,} tokens, the cache left beside "
        f"{gib(memory.weights.bytes):.1f} GiB of weights holds one request of {settings.max_model_len:,}",
    )
    layout = settings.layout
    add(
        "tensor_parallel_size",
        layout.tp,
        1,
        f"one GPU keeps {gib(memory.weights.bytes):.1f} GiB of weights, 1/{layout.tp} of the model"
        + _context_of_each(decision),
    )
    add("pipeline_parallel_size", layout.pp, 1, f"{layout.pp} groups of layers, one on each stage")
    add("data_parallel_size", layout.dp, 1, f"{layout.dp} copies share the load")
    if request.hardware.enable_expert_parallel:
        rows.append(("enable_expert_parallel", True, "set by you: whole experts on each GPU"))
    if settings.kv_cache_memory_bytes is None or "gpu_memory_utilization" in yours:
        add(
            "gpu_memory_utilization",
            round(settings.gpu_memory_utilization, 4),
            decision.rules.default_gpu_memory_utilization,
            f"{gib(gpu.used_bytes + memory.overhead.unbudgeted):.1f} GiB are in use or needed outside vLLM's budget",
        )
    tokens, sequences = batch_limits(
        gpu, settings.max_model_len, request.policy, settings.performance_mode, decision.rules
    )
    add("max_num_seqs", settings.max_num_seqs, sequences, f"{settings.max_num_seqs} states fit into the cache")
    add("max_num_batched_tokens", settings.max_num_batched_tokens, tokens, "tokens in one step")
    rows.extend(_modes(decision))
    add("host", request.policy.host, None, "listens on this machine only")
    add("port", request.policy.port, 8000, "port to listen on")
    if parsers := _parsers(decision):
        if parsers.tool_call_parser:
            rows.append(("enable_auto_tool_choice", True, "lets the model call tools"))
            reason = f"how {parsers.family} writes tool calls{_template_note(decision)}"
            rows.append(("tool_call_parser", parsers.tool_call_parser, reason))
        if parsers.reasoning_parser:
            rows.append(("reasoning_parser", parsers.reasoning_parser, f"how {parsers.family} marks its reasoning"))
        if parsers.tokenizer_mode:
            rows.append(("tokenizer_mode", parsers.tokenizer_mode, f"the tokenizer format of {parsers.family}"))
    return rows


def _parsers(decision: Decision) -> ParserChoice | None:
    metadata = decision.facts.metadata
    return parsers_for(metadata.model_id, metadata.model_type, decision.rules.version)


def _template(decision: Decision) -> str | None:
    """The file of vLLM's examples that makes the model write tool calls; None where its own template does."""
    parsers = _parsers(decision)
    return parsers.chat_template if parsers and parsers.tool_call_parser else None


def _template_in_image(decision: Decision) -> str | None:
    """The template's path in the planned image; unknown for the user's own image."""
    template = None if decision.request.policy.image else _template(decision)
    return template_in_image(template, decision.estimate.gpu.vendor) if template else None


def _template_note(decision: Decision) -> str:
    if (template := _template(decision)) is None:
        return ""
    has_it = "vLLM's image has the template for them; elsewhere" if _template_in_image(decision) else "for them"
    return f"; {has_it} add --chat-template with the file examples/{template} of vLLM's source"


def _context_of_each(decision: Decision) -> str:
    """What the GPUs are for that the weights do not need; empty when the plan does not start."""
    users = decision.request.workload.concurrency
    context = context_at_concurrency(decision)
    return f"; {users:,} in flight can have {context:,} tokens each" if decision.estimate.starts else ""


def _modes(decision: Decision) -> Iterator[tuple[str, Any, str]]:
    """How steps are batched, drafts and adapters."""
    request, settings = decision.request, decision.estimate.settings
    parts = decision.estimate.weights.parts
    if settings.performance_mode != "balanced":
        yield "performance_mode", settings.performance_mode, _MODE_REASONS[settings.performance_mode]
    if drafts := settings.speculative_tokens:
        several = settings.draft_layers > 1
        layers = f"{settings.draft_layers} layers that draft" if several else "layer that drafts"
        yield (
            "speculative_config",
            {"method": speculation.METHOD, "num_speculative_tokens": drafts},
            f"the checkpoint's own {layers} may save every other step for {gib(parts.get('draft', 0)):.2f} GiB",
        )
    if settings.max_loras:
        reason = f"{settings.max_loras} in one batch take {gib(parts.get('adapters', 0)):.2f} GiB of a GPU"
        yield "enable_lora", True, reason
        yield "max_loras", settings.max_loras, reason
        yield "max_lora_rank", settings.max_lora_rank, "set by you" if request.policy.max_lora_rank else "vLLM's own"
    if request.policy.lora_modules:
        yield "lora_modules", request.policy.lora_modules, "set by you"


def _user_set(request: PlanRequest) -> frozenset[str]:
    sections = (request.model, request.hardware, request.workload, request.policy)
    return frozenset(
        field for section in sections for field in section.model_fields_set if getattr(section, field) is not None
    )


def _deployment(decision: Decision) -> Deployment:
    request, gpu = decision.request, decision.estimate.gpu
    version = decision.estimate.settings.vllm_version
    image = request.policy.image or f"{gpu.platform.image}:{image_tag(version)}"
    layout, nodes = decision.estimate.settings.layout, request.hardware.nodes
    return Deployment(
        vllm_version=version,
        image=image,
        gpu_vendor=gpu.vendor,
        gpu_count=-(-layout.gpus // nodes),
        gpu_indices=request.hardware.indices,
        nodes=nodes,
        api_key_env=request.policy.api_key_env,
        model_is_local=decision.facts.metadata.path is not None,
        chat_template=_template(decision),
        chat_template_in_image=_template_in_image(decision),
        streaming=request.workload.streaming,
        download_bytes=decision.facts.metadata.repository.checkpoint_bytes,
    )
