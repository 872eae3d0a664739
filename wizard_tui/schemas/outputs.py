"""What comes out: a `PlanResponse`. Sizes are bytes or GiB (2^30) as the field's name says; a range is (low, high)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from wizard_tui.schemas.choices import OOMRisk
from wizard_tui.schemas.fields import passed_as_set

Range = tuple[float, float]


class Result(BaseModel):
    """A frozen part of the response."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, protected_namespaces=())


class Suggestion(Result):
    """A change to the request that helps, as a plan with it showed."""

    title: str = Field(description="the change and its gain, such as 'max_model_len 131072 -> 40960: fits, 1.9x'")
    patch: dict[str, dict[str, Any]] = Field(description="section -> field -> new value, to be merged into the request")
    gain: str = Field(description="what it buys, in numbers")


class FeasibilityReport(Result):
    """Does it fit, in one sentence and in GiB of one GPU (the fullest rank)."""

    fits: bool
    oom_risk: OOMRisk
    verdict: str = Field(description="one plain sentence")
    vram_total_gib: float
    vram_target_alloc_gib: float = Field(description="what gpu_memory_utilization grants")
    weights_gib: float
    kv_cache_gib: float = Field(description="KV cache the workload needs")
    overhead_gib: float = Field(description="activation peak, CUDA graphs and non-torch memory")
    headroom_gib: float = Field(description="KV cache left after the workload; negative when it is short")
    max_concurrency_at_context: int
    max_context_at_concurrency: int
    warnings: list[str] = []
    suggestions: list[Suggestion] = []


class MemoryBreakdown(Result):
    """Bytes on one GPU, the fullest rank.

    weights + activation_peak + cuda_graphs + non_torch + kv_available == budget, exactly. `kv_available` is negative
    when the rest alone exceeds the budget. `unbudgeted` is what lies outside the budget: CUDA context, communication
    buffers, and memory that the utilisation leaves alone.
    """

    total: int
    used_by_others: int
    budget: int
    weights: int
    activation_peak: int
    cuda_graphs: int
    non_torch: int
    kv_available: int
    kv_needed: int
    unbudgeted: int
    kv_available_range: tuple[int, int] = Field(description="80 % band of kv_available")


class KVCacheGroup(Result):
    """Layers that share one block table."""

    kind: str
    layers: int
    block_size: int
    page_size_bytes: int


class KVCachePlan(Result):
    """The KV cache in vLLM's own figures."""

    block_size: int
    bytes_per_block: int
    num_blocks: int
    tokens: int = Field(description="vLLM logs it as 'GPU KV cache size'")
    max_model_len: int = Field(description="tokens of one request, of which max_concurrency says how many fit")
    max_concurrency: float = Field(description="of one replica; vLLM logs it as 'Maximum concurrency'")
    bytes_per_request: int = Field(description="for one request of max_model_len")
    estimated_max_model_len: int
    groups: list[KVCacheGroup]
    tokens_range: tuple[int, int] = Field(description="tokens over the band of kv_available")


class Deployment(Result):
    """Facts that artifacts need beside vLLM's own flags."""

    vllm_version: str
    image: str
    gpu_vendor: str = "nvidia"
    gpu_count: int = Field(1, description="GPUs on one node")
    gpu_indices: tuple[int, ...] | None = None
    nodes: int = 1
    api_key_env: str | None = None
    model_is_local: bool = Field(False, description="the model is a directory on this machine, to be mounted")
    chat_template: str | None = Field(None, description="file of vLLM's examples that tool calls of this model need")
    chat_template_in_image: str | None = Field(None, description="where that file lies in the image; None: nowhere")
    streaming: bool = Field(True, description="clients take the answer token by token")
    download_bytes: int | None = Field(None, description="size of the checkpoint, for volumes and start-up probes")


class VLLMConfig(Result):
    """Every flag to be passed to `vllm serve`; None means the flag is left out and vLLM's default holds.

    The flags that this program decides on or reads are declared, in the order of the command. Other flags of the
    request, of which vLLM gets what the user set, follow them and need no line here.
    """

    model_config = ConfigDict(extra="allow")

    model: str
    revision: str | None = None
    tokenizer: str | None = None
    served_model_name: str | None = None
    trust_remote_code: bool | None = None
    dtype: str | None = None
    quantization: str | None = None
    kv_cache_dtype: str | None = None
    max_model_len: int | None = None
    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    data_parallel_size: int | None = None
    enable_expert_parallel: bool | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_memory_bytes: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    block_size: int | None = None
    enforce_eager: bool | None = None
    enable_prefix_caching: bool | None = None
    max_cudagraph_capture_size: int | None = None
    performance_mode: str | None = None
    enable_lora: bool | None = None
    lora_modules: tuple[str, ...] | None = None
    max_loras: int | None = None
    max_lora_rank: int | None = None
    host: str | None = None
    port: int | None = None
    reasoning_parser: str | None = None
    enable_auto_tool_choice: bool | None = None
    tool_call_parser: str | None = None
    tokenizer_mode: str | None = None
    chat_template: str | None = None
    speculative_config: dict[str, Any] | None = None
    deployment: Deployment
    explanations: dict[str, str] = Field(default_factory=dict, description="field -> reason, when explain is set")

    @model_validator(mode="after")
    def _has_no_other_fields(self) -> VLLMConfig:
        for name in (self.model_extra or {}).keys() - {field.name for field in passed_as_set()}:
            raise ValueError(f"{name} is no flag of a request")
        return self


class PerfEstimate(Result):
    """Speed as ranges around a median estimate, 80 % wide."""

    decode_toks_per_s_range: Range = Field(description="output tokens a second of all users at workload.concurrency")
    single_stream_toks_per_s_range: Range
    saturated_toks_per_s_range: Range
    prefill_toks_per_s_range: Range
    ttft_ms_range: Range
    tpot_ms_range: Range
    concurrency_at_slo: int | None = Field(None, description="most requests in flight that keep the targets")
    limited_by: str = Field(description="kv cache, max_num_seqs, compute, bandwidth, ttft or tpot")
    assumptions: list[str] = []


class Artifacts(Result):
    """Ready-to-use text, by name."""

    serve_command: str
    docker_command: str
    docker_compose: str
    k8s_values: str


class Provenance(Result):
    """Where a number came from and how far it may be off."""

    source: str = Field(description="tensor headers, config, catalogue, parameter count, formula or measured constants")
    expected_error: str = Field(description="such as '±0.1 %' or '±0.4 GiB'")
    note: str = ""


class PlanResponse(Result):
    """The whole answer to one `PlanRequest`."""

    feasibility: FeasibilityReport
    memory: MemoryBreakdown
    kv_cache: KVCachePlan
    config: VLLMConfig
    performance: PerfEstimate
    artifacts: Artifacts
    accuracy: dict[str, Provenance]
