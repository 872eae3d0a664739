"""Settles what a request leaves open: the layout over the GPUs, lengths, batch limits and utilisation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from wizard_tui.engine import speculation
from wizard_tui.engine.defaults import default_batch_limits
from wizard_tui.engine.dtype import dtype_refusal, served_dtype
from wizard_tui.engine.quantization import refusal
from wizard_tui.engine.versions import BatchLimits, VersionRules, rules_for, version_of_image
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.hardware.observed import Correction, correction
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.estimate import NOTHING_OBSERVED, MemoryEstimate, estimate
from wizard_tui.planning.memory.weights import weights_of
from wizard_tui.planning.parallel import legal_tensor_parallel_sizes, why_not
from wizard_tui.planning.settings import Layout, Settings
from wizard_tui.planning.speed import missed_goals
from wizard_tui.resolver import Facts
from wizard_tui.schemas.fields import flags_as_set
from wizard_tui.schemas.inputs import HardwareInput, ModelInput, PlanRequest, PolicyInput, WorkloadInput
from wizard_tui.schemas.markers import MovesMemory

UTILISATION_STEP = 0.01
DEFAULT_LORA_RANK = 16
PERFORMANCE_MODES = {"balanced": "balanced", "latency": "interactivity", "throughput": "throughput"}


class _Merit(NamedTuple):
    """The criteria for choosing a layout, the most important first. `kept` is minus the number of goals missed,
    `length` is max_model_len, `context` the part of it that each requested user can have at once, and `whole` whether
    that is all of it; among those that do not start, `room` is the share of one request that the cache would hold."""

    fits: bool = False
    safe: bool = False
    starts: bool = False
    kept: int = 0
    length: int = 0
    context: int = 0
    whole: bool = False
    room: float = -math.inf

    @property
    def asked(self) -> bool:
        """Whether all that was asked for holds: it fits, safely, and keeps the goals."""
        return self.safe and not self.kept


def decide(request: PlanRequest, facts: Facts) -> Decision:
    """Settle everything the request leaves open: the fewest GPUs that do the job, else those that come nearest.

    The job is what was asked for (it fits, safely, and keeps its goals) and the whole context for every request of the
    asked concurrency at once: these users can never fill more, so context beyond it is no reason for more GPUs, but any
    shortfall is. Nearest is, in this order: it fits, safely, with the fewest goals missed, with the longest context.
    More memory on the same layout lowers none of these, so it never gives a worse plan while vLLM's own batch limits
    stay the same: cards of 70 GiB and more get larger ones, which take memory. Pipeline stages within one machine are
    slow: they are used to meet the request, never for more context.

    Explicit settings are kept even if they cannot work; `Decision.problem` then says why.
    """
    hardware = request.hardware
    policy = request.policy
    rules = rules_for(policy.vllm_version or version_of_image(policy.image) or facts.installed_vllm)
    gpu = smallest(facts.gpus)
    in_node = len(facts.gpus)
    best: Decision | None = None
    merit = _Merit()
    for layout in _worth_settling(layouts(hardware, facts.metadata, in_node), request, facts.metadata, gpu, rules):
        if merit.asked and _is_last_resort(layout, hardware):
            break
        candidate = Decision(request, facts, settle(request, facts, gpu, layout, rules), rules)
        candidate = candidate._replace(missed=missed_goals(candidate))
        its = _merit(candidate)
        if best is None or its > merit:
            best, merit = candidate, its
        if its.asked and its.whole:
            break
    if best is None:
        raise Refusal("no way to place the model on these GPUs was found")
    gpus = in_node * hardware.nodes
    problem = gpu.platform.problem or _illegal(facts.metadata, best.estimate, gpus)
    return best._replace(problem=problem, idle_gpus=max(0, gpus - best.estimate.settings.layout.gpus))


def smallest(gpus: Sequence[GPU]) -> GPU:
    """The GPU that decides: the one with the least memory not held by others. Raises Refusal when there is no GPU."""
    if not gpus:
        raise Refusal("no GPU is given; name one, or give its memory with vram_gb")
    return min(gpus, key=lambda gpu: gpu.total_bytes - gpu.used_bytes)


@lru_cache(maxsize=256)
def layouts(hardware: HardwareInput, metadata: ModelMetadata, in_node: int) -> tuple[Layout, ...]:
    """Layouts worth trying, fewest GPUs first; tensor parallel stays within a node, pipeline stages may span nodes."""
    dp = hardware.data_parallel_size or 1
    expert = bool(hardware.enable_expert_parallel)
    world = in_node * hardware.nodes
    # a set number of copies may leave no legal size: then the plan says why
    sizes: Sequence[int] = legal_tensor_parallel_sizes(
        metadata, in_node, dp=dp, expert_parallel=expert
    ) or legal_tensor_parallel_sizes(metadata, in_node)
    if hardware.tensor_parallel_size:
        sizes = (hardware.tensor_parallel_size,)
    stages: Sequence[int] = range(1, min(world, metadata.num_hidden_layers) + 1)
    if hardware.pipeline_parallel_size:
        stages = (hardware.pipeline_parallel_size,)
    pinned = bool(hardware.tensor_parallel_size and hardware.pipeline_parallel_size)
    options = [Layout(tp, pp, dp, expert) for tp in sizes for pp in stages if pinned or tp * pp * dp <= world]
    if not options:
        options = [Layout(sizes[0], stages[0], dp, expert)]
    # more stages than nodes only pay when no tensor parallel size is legal for the GPUs there are
    return tuple(sorted(options, key=lambda layout: (layout.pp > hardware.nodes, layout.gpus, layout.pp)))


def _worth_settling(
    options: Sequence[Layout], request: PlanRequest, metadata: ModelMetadata, gpu: GPU, rules: VersionRules
) -> Iterator[Layout]:
    """The layouts whose weights a GPU can hold at all, else the one with the least of them."""
    least = None
    for layout in options:
        weights = weights_of(metadata, gpu, _asked_settings(request, metadata, gpu, layout, rules)).bytes
        if weights < gpu.total_bytes:
            least = (0, layout)
            yield layout
        elif least is None or weights < least[0]:
            least = (weights, layout)
    if least is not None and least[0]:
        yield least[1]


def settle(request: PlanRequest, facts: Facts, gpu: GPU, layout: Layout, rules: VersionRules) -> MemoryEstimate:
    """The best memory plan on one layout, with the open settings chosen for it."""
    seen = NOTHING_OBSERVED
    if facts.observed:
        seen = correction(facts.observed, gpu.name, rules.release, facts.metadata.model_id, str(layout))
    # this layout does not use the other GPUs asked for
    return _settled(request.model, request.workload, request.policy, facts.metadata, seen, gpu, layout, rules)


@lru_cache(maxsize=2048)
def _settled(
    model: ModelInput,
    workload: WorkloadInput,
    policy: PolicyInput,
    metadata: ModelMetadata,
    seen: Correction,
    gpu: GPU,
    layout: Layout,
    rules: VersionRules,
) -> MemoryEstimate:
    """Cached, because many requests share these layouts: suggestions, the table of alternatives, the next request in a
    sweep."""
    request = PlanRequest(model=model, workload=workload, policy=policy)
    settings = _asked_settings(request, metadata, gpu, layout, rules)
    memory = estimate(settings, metadata, gpu, workload, policy, seen)
    if policy.gpu_memory_utilization is None:
        safe = safe_utilisation(memory)
        if safe < settings.gpu_memory_utilization:
            settings = settings._replace(gpu_memory_utilization=safe)
            memory = estimate(settings, metadata, gpu, workload, policy, seen)
    if policy.max_num_seqs is None:
        states = memory.cache.state_blocks
        if states is not None and 0 < states < settings.max_num_seqs:
            # vLLM refuses more sequences than there are state blocks, so the default can keep it from starting
            settings = settings._replace(max_num_seqs=states)
            memory = estimate(settings, metadata, gpu, workload, policy, seen)
    if model.max_model_len is None:
        chosen = choose_length(memory, request, metadata)
        if chosen != settings.max_model_len:
            settings = settings._replace(max_model_len=chosen)
            memory = estimate(settings, metadata, gpu, workload, policy, seen)
    return memory


def _asked_settings(
    request: PlanRequest, metadata: ModelMetadata, gpu: GPU, layout: Layout, rules: VersionRules
) -> Settings:
    """The request's settings for a layout, and vLLM's defaults for the rest, before anything is fitted to memory."""
    model, policy = request.model, request.policy
    length = model.max_model_len or metadata.max_position_embeddings
    mode = performance_mode(request, rules)
    tokens, sequences = batch_limits(gpu, length, policy, mode, rules)
    drafts = speculative_tokens(request, metadata, rules)
    adapters = policy.max_loras or len(policy.lora_modules or ())
    return Settings(
        layout=layout,
        dtype=_dtype(request, metadata, gpu),
        quantization=model.quantization,
        kv_cache_dtype=model.kv_cache_dtype,
        max_model_len=length,
        max_num_seqs=policy.max_num_seqs or min(sequences, policy.max_num_batched_tokens or tokens),
        max_num_batched_tokens=policy.max_num_batched_tokens
        or min(tokens, (policy.max_num_seqs or sequences) * length),
        gpu_memory_utilization=policy.gpu_memory_utilization or rules.default_gpu_memory_utilization,
        vllm_version=rules.version,
        performance_mode=mode,
        speculative_tokens=drafts,
        draft_layers=metadata.draft_layers if drafts else 0,
        max_loras=adapters,
        max_lora_rank=(policy.max_lora_rank or DEFAULT_LORA_RANK) if adapters else 0,
        **flags_as_set(request, MovesMemory),
    )


def performance_mode(request: PlanRequest, rules: VersionRules) -> str:
    """vLLM's own word for the batching mode; versions without the option have one mode."""
    return PERFORMANCE_MODES[request.workload.batching_mode] if rules.performance_modes else "balanced"


def speculative_tokens(request: PlanRequest, metadata: ModelMetadata, rules: VersionRules) -> int:
    """Tokens drafted in each step: the user's number, else one for each draft layer where latency matters; in full
    batches drafts cost what they gain."""
    if request.policy.speculative_tokens is not None:
        return request.policy.speculative_tokens
    wanted = request.workload.batching_mode == "latency" and rules.speculation
    return metadata.draft_layers if wanted else 0


def batch_limits(gpu: GPU, max_model_len: int, policy: PolicyInput, mode: str, rules: VersionRules) -> BatchLimits:
    """The batch limits that this vLLM version uses on this GPU when the policy's are passed on."""
    return default_batch_limits(
        rules.batch_limits,
        total_bytes=gpu.total_bytes,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
        max_model_len=max_model_len,
        max_num_batched_tokens=policy.max_num_batched_tokens,
        max_num_seqs=policy.max_num_seqs,
        performance_mode=mode,
    )


def safe_utilisation(memory: MemoryEstimate) -> float:
    """Largest utilisation, in hundredths, that leaves room for memory outside vLLM's budget and for other processes."""
    gpu = memory.gpu
    share = (gpu.total_bytes - gpu.used_bytes - memory.overhead.unbudgeted) / gpu.total_bytes
    return max(UTILISATION_STEP, math.floor(share / UTILISATION_STEP) * UTILISATION_STEP)


def choose_length(memory: MemoryEstimate, request: PlanRequest, metadata: ModelMetadata) -> int:
    """max_model_len when the user leaves it open: the model's own limit where one such request fits at the pessimistic
    end of the band, else the longest that fits, rounded down, and never below what the workload asks for."""
    limit = metadata.max_position_embeddings
    wanted = min(limit, request.workload.prompt_tokens + request.workload.gen_tokens)
    longest = memory.layout.largest_len(memory.kv_low, 1, limit)
    if longest >= limit:
        return limit
    step = 1024 if longest >= 4096 else 16
    return max(wanted, longest // step * step)


def context_at_concurrency(decision: Decision) -> int:
    """The longest context in tokens, up to max_model_len and the model's own limit, that every request of the asked
    concurrency can have at once; 0 when not even one token each fits."""
    memory = decision.estimate
    share = -(-decision.request.workload.concurrency // memory.settings.layout.dp)
    limit = min(memory.settings.max_model_len, decision.facts.metadata.max_position_embeddings)
    return memory.layout.largest_len(memory.kv_available, share, limit)


def _is_last_resort(layout: Layout, hardware: HardwareInput) -> bool:
    """Whether it has stages within one machine that nobody asked for."""
    return layout.pp > max(hardware.nodes, hardware.pipeline_parallel_size or 1)


def _merit(decision: Decision) -> _Merit:
    request, memory = decision.request, decision.estimate
    length, context, whole = 0, 0, False
    if memory.starts and not _is_last_resort(memory.settings.layout, request.hardware):
        limit = decision.facts.metadata.max_position_embeddings
        length, context = memory.settings.max_model_len, context_at_concurrency(decision)
        whole = context >= min(limit, request.model.max_model_len or limit)
    return _Merit(
        fits=memory.fits,
        safe=memory.fits and not memory.tight,
        starts=memory.starts,
        kept=-len(decision.missed) if memory.fits else 0,
        length=length,
        context=context,
        whole=whole,
        room=0.0 if memory.starts else memory.kv_available / max(1, memory.cache.bytes_per_request),
    )


def _illegal(metadata: ModelMetadata, memory: MemoryEstimate, gpus: int) -> str | None:
    layout, method = memory.settings.layout, memory.settings.quantization or metadata.quantization
    if layout.gpus > gpus:
        return f"{layout} needs {layout.gpus} GPUs and there are {gpus}"
    refused = dtype_refusal(
        memory.settings.dtype,
        model_type=metadata.language_type,
        no_float16=metadata.family.no_float16,
        compute_capability=memory.gpu.compute_capability,
    )
    if refused is None and method:
        refused = refusal(
            method,
            checkpoint=metadata.quantization,
            compute_capability=memory.gpu.compute_capability,
            vendor=memory.gpu.vendor,
            experts=metadata.num_experts > 0,
        )
    refused = refused or speculation.why_not_drafting(metadata.draft_layers, memory.settings.speculative_tokens)
    return refused or why_not(metadata, layout.tp, pp=layout.pp, dp=layout.dp, expert_parallel=layout.expert_parallel)


def _dtype(request: PlanRequest, metadata: ModelMetadata, gpu: GPU) -> str:
    return served_dtype(
        request.model.dtype,
        checkpoint=metadata.dtype,
        no_float16=metadata.family.no_float16,
        compute_capability=gpu.compute_capability,
    )
