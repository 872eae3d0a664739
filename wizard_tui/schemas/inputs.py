"""What goes in: a `PlanRequest` of four sections, frozen, with unknown keys refused.

A field is described once, here: its type and bounds, its one line of help in `description`, and in markers where it is
shown, how it is typed, whether it is a flag of vLLM, and whether it moves memory. Command line, profiles, forms,
planner and `verify` read that.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from wizard_tui.schemas.choices import (
    LORA_RANKS,
    BatchingMode,
    DType,
    Interconnect,
    KVCacheDType,
    canonical_dtype,
    canonical_kv_cache_dtype,
)
from wizard_tui.schemas.markers import Flag, Formerly, Known, MovesMemory, OnlyIfAsked, Option, Shown
from wizard_tui.schemas.numbers import as_number, parse_count, parse_gib
from wizard_tui.schemas.secrets import bare_address, refuse_token

MAX_TOKENS = 1 << 30
MAX_GPUS = 4096
_OWN_RUN = "A run of your own server, if there was one"
_OWN_RUN_IN_HELP = "A run of your own server, which corrects the prediction"
# what a terminal obeys, shows as another text, or cannot write; a directory may have a line break in its name
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in ("", "none", "auto") else value


def _listed(value: object) -> object:
    # cleaned before it is split, since a password may hold a blank
    return bare_address(value).replace(",", " ").split() or None if isinstance(value, str) else value


def _each_once(value: tuple[int, ...]) -> tuple[int, ...]:
    twice = next((index for place, index in enumerate(value) if index in value[:place]), None)
    if twice is not None:
        raise ValueError(f"names GPU {twice} twice")
    return value


def _clean(value: str) -> str:
    """Text without secrets: the password of an address that somebody pastes is removed here."""
    if _CONTROL.search(value):
        raise ValueError("must not have control characters, such as ESC")
    return refuse_token(bare_address(value))


def _named(value: str) -> str:
    name, equals, where = value.partition("=")
    if not (name and equals and where):
        raise ValueError(f"must be name=repository, such as sql=org/sql-adapter, not {value!r}")
    return value


def _rank(value: int) -> int:
    if value not in LORA_RANKS:
        raise ValueError(f"must be one of {', '.join(map(str, LORA_RANKS))}, not {value}")
    return value


Tokens = Annotated[int, BeforeValidator(parse_count), Field(ge=1, le=MAX_TOKENS)]
Count = Annotated[int, BeforeValidator(parse_count), Field(ge=1, le=MAX_GPUS)]
Sequences = Annotated[int, BeforeValidator(parse_count), Field(ge=1, le=1 << 20)]
Bytes = Annotated[int, BeforeValidator(parse_count), Field(ge=1, le=1 << 50)]
GiB = Annotated[float, BeforeValidator(parse_gib), Field(gt=0, le=1 << 20, allow_inf_nan=False)]
GiBOrZero = Annotated[float, BeforeValidator(parse_gib), Field(ge=0, le=1 << 20, allow_inf_nan=False)]
Milliseconds = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1e9, allow_inf_nan=False)]
Rate = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1e9, allow_inf_nan=False)]
Billions = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, BeforeValidator(as_number), Field(gt=0, le=1, allow_inf_nan=False)]
Factor = Annotated[float, BeforeValidator(as_number), Field(ge=1, le=2, allow_inf_nan=False)]
Index = Annotated[int, BeforeValidator(as_number), Field(ge=0, le=MAX_GPUS)]
Port = Annotated[int, BeforeValidator(as_number), Field(ge=1, le=65535)]
LoraRank = Annotated[int, BeforeValidator(as_number), Field(ge=1, le=max(LORA_RANKS)), AfterValidator(_rank)]
Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_clean)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), AfterValidator(refuse_token)]

Indices = Annotated[tuple[Index, ...], AfterValidator(_each_once)]
LoraModule = Annotated[str, Field(max_length=4096), AfterValidator(_clean), AfterValidator(_named)]


class Section(BaseModel):
    """A frozen group of fields in which an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False, protected_namespaces=())


class ModelInput(Section):
    """Which model, and how its checkpoint is to be read."""

    model: Annotated[Text, Shown("What to serve", "model"), Option(also="-m"), Known("models"), Formerly("id")] = Field(
        description="Hugging Face id, local directory with config.json, or a name from the built-in catalogue",
    )
    revision: Annotated[Text | None, BeforeValidator(_blank_is_none), Shown("Its repository"), Flag(as_set=True)] = (
        Field(default=None, description="branch, tag or commit of the repository")
    )
    trust_remote_code: Annotated[bool, Shown("Its repository"), Flag()] = Field(
        default=False, description="let vLLM run code from the repository (the planner never does)"
    )
    dtype: Annotated[DType, BeforeValidator(canonical_dtype), Shown("What to serve"), Flag(), MovesMemory()] = Field(
        default="auto", description="precision of unquantised weights and activations; auto follows the checkpoint"
    )
    quantization: Annotated[
        Text | None,
        BeforeValidator(_blank_is_none),
        Shown("What to serve", after="model"),
        Option(also="-q"),
        Known("methods"),
        Flag(),
        MovesMemory(),
    ] = Field(default=None, description="quantisation method; empty means as the checkpoint says")
    kv_cache_dtype: Annotated[
        KVCacheDType, BeforeValidator(canonical_kv_cache_dtype), Shown("What to serve"), Flag(), MovesMemory()
    ] = Field(default="auto", description="precision of the KV cache; fp8 halves it")
    max_model_len: Annotated[
        Tokens | None,
        BeforeValidator(_blank_is_none),
        Shown("What to serve", "max model len", after="model"),
        Flag(),
        MovesMemory(),
    ] = Field(
        default=None,
        description="longest prompt plus answer in tokens, such as 8192 or 32K; empty lets the planner choose",
    )
    tokenizer: Annotated[
        Text | None, BeforeValidator(_blank_is_none), Shown("Its repository", after="revision"), Flag(as_set=True)
    ] = Field(default=None, description="tokenizer to use instead of the model's own")
    params_b: Annotated[Billions | None, Shown("Its repository", "parameters (B)")] = Field(
        default=None, description="parameters in billions, for a model of which nothing else is known"
    )


class HardwareInput(Section):
    """Which GPUs, and how the model is spread over them."""

    gpu: Annotated[Text, Shown("GPUs", "GPU"), Known("gpus"), Formerly("gpu_name")] = Field(
        default="auto",
        description="GPU name such as 'H100 80GB' or 'RTX 4090'; auto detects this machine's",
    )
    gpus: Annotated[Count, Shown("GPUs", "GPUs")] = Field(default=1, description="how many GPUs")
    vram_gb: Annotated[
        GiB | None, BeforeValidator(_blank_is_none), Shown("GPUs", "VRAM (GiB)"), Option(also="--vram-gib")
    ] = Field(
        default=None,
        validation_alias=AliasChoices("vram_gb", "vram_gib"),
        description="memory of one GPU in GiB; overrides the catalogue, or makes a manual GPU",
    )
    interconnect: Annotated[Interconnect, Shown("GPUs")] = Field(
        default="unknown", description="how the GPUs are linked"
    )
    tensor_parallel_size: Annotated[
        Count | None,
        BeforeValidator(_blank_is_none),
        Shown("How the model is spread", "tensor parallel"),
        Option(also="--tp"),
        Formerly("tp_size"),
        Flag(),
        MovesMemory(),
    ] = Field(
        default=None,
        description="GPUs that share every layer; empty lets the planner choose",
    )
    pipeline_parallel_size: Annotated[
        Count | None,
        BeforeValidator(_blank_is_none),
        Shown("How the model is spread", "pipeline parallel"),
        Option(also="--pp"),
        Flag(),
        MovesMemory(),
    ] = Field(default=None, description="groups of layers on different GPUs")
    data_parallel_size: Annotated[
        Count | None,
        BeforeValidator(_blank_is_none),
        Shown("How the model is spread", "data parallel"),
        Option(also="--dp"),
        Flag(),
        MovesMemory(),
    ] = Field(default=None, description="copies of the model that share the load")
    enable_expert_parallel: Annotated[
        bool | None, Shown("How the model is spread", "expert parallel"), Option(also="--ep"), Flag(), MovesMemory()
    ] = Field(default=None, description="whole experts on each GPU instead of slices of all")
    nodes: Annotated[Count, Shown("GPUs")] = Field(default=1, description="machines that work as one")
    indices: Annotated[Indices | None, BeforeValidator(_listed), Shown("GPUs", "which GPUs", after="gpus")] = Field(
        default=None, description="which detected GPUs to use, such as 0,1"
    )
    used_gib: Annotated[GiBOrZero | None, Shown("GPUs", "used (GiB)", after="vram_gb")] = Field(
        default=None, description="memory of each GPU that other processes hold, in GiB"
    )


class WorkloadInput(Section):
    """What the server will be asked to do."""

    prompt_tokens: Annotated[Tokens, Shown("Requests")] = Field(
        default=512, description="typical prompt length in tokens"
    )
    gen_tokens: Annotated[Tokens, Shown("Requests", "answer tokens")] = Field(
        default=256, description="typical answer length in tokens"
    )
    concurrency: Annotated[Sequences, Shown("Requests"), Option(also="-c")] = Field(
        default=1, description="requests in flight at once"
    )
    target_ttft_ms: Annotated[Milliseconds | None, Shown("Goals", "TTFT goal (ms)"), OnlyIfAsked()] = Field(
        default=None, description="goal for the time to the first token, in ms"
    )
    target_tpot_ms: Annotated[Milliseconds | None, Shown("Goals", "TPOT goal (ms)"), OnlyIfAsked()] = Field(
        default=None, description="goal for the time per further token, in ms"
    )
    streaming: Annotated[bool, Shown("Requests")] = Field(
        default=True, description="answers are streamed token by token"
    )
    batching_mode: Annotated[BatchingMode, Shown("Goals"), Formerly("mode"), MovesMemory()] = Field(
        default="balanced",
        description="prefer total throughput, latency of each request, or a balance",
    )
    shared_prefix_tokens: Annotated[
        int,
        BeforeValidator(parse_count),
        Field(ge=0, le=MAX_TOKENS),
        Shown("Requests", "shared prefix", after="concurrency"),
    ] = Field(default=0, description="tokens at the start that all prompts share")
    measured_toks_per_s: Annotated[
        Rate | None,
        Shown(_OWN_RUN, "measured tok/s"),
        Option(heading=_OWN_RUN_IN_HELP),
        OnlyIfAsked(),
    ] = Field(
        default=None, description="output tokens a second that a run of your own server showed; corrects the prediction"
    )
    measured_ttft_ms: Annotated[
        Milliseconds | None,
        Shown(_OWN_RUN, "measured TTFT"),
        Option(heading=_OWN_RUN_IN_HELP),
        OnlyIfAsked(),
    ] = Field(default=None, description="mean TTFT of that run, in ms")
    measured_tpot_ms: Annotated[
        Milliseconds | None,
        Shown(_OWN_RUN, "measured TPOT"),
        Option(heading=_OWN_RUN_IN_HELP),
        OnlyIfAsked(),
    ] = Field(default=None, description="mean TPOT of that run, in ms")
    measured_concurrency: Annotated[
        Sequences | None,
        Shown(_OWN_RUN, "  at concurrency"),
        Option(heading=_OWN_RUN_IN_HELP),
    ] = Field(default=None, description="requests in flight in that run; empty means as planned")
    measured_prompt_tokens: Annotated[
        Tokens | None, Shown(_OWN_RUN, "  prompt tokens"), Option(heading=_OWN_RUN_IN_HELP)
    ] = Field(default=None, description="prompt length of that run in tokens; empty means as planned")
    measured_gen_tokens: Annotated[
        Tokens | None, Shown(_OWN_RUN, "  answer tokens"), Option(heading=_OWN_RUN_IN_HELP)
    ] = Field(default=None, description="answer length of that run in tokens; empty means as planned")


class PolicyInput(Section):
    """How much memory may be used, which vLLM, and how it is exposed."""

    gpu_memory_utilization: Annotated[Share | None, Shown("Memory", "utilization"), Flag(), MovesMemory()] = Field(
        default=None, description="share of each GPU's memory that vLLM may use; empty lets the planner choose"
    )
    overhead_gb: Annotated[GiBOrZero | None, Shown("Memory", "overhead (GiB)")] = Field(
        default=None, description="memory beside weights and KV cache in GiB, instead of the planner's own figure"
    )
    fragmentation_factor: Annotated[Factor, Shown("Memory", "KV safety factor")] = Field(
        default=1.0, description="safety factor on the KV cache the workload needs; vLLM's own cache does not fragment"
    )
    headroom_gb: Annotated[GiBOrZero, Shown("Memory", "headroom (GiB)", after="gpu_memory_utilization")] = Field(
        default=0.0, description="KV cache in GiB that must stay spare for the verdict to be fits"
    )
    vllm_version: Annotated[Text | None, Shown("Server", "vLLM version", after="served_model_name"), MovesMemory()] = (
        Field(
            default=None,
            description="vLLM version to plan for; empty: the image's, the one installed here, or the newest known",
        )
    )
    kv_cache_memory_bytes: Annotated[
        Bytes | None,
        BeforeValidator(_blank_is_none),
        Shown("Memory", "KV cache bytes", after="gpu_memory_utilization"),
        Flag(as_set=True),
        MovesMemory(),
    ] = Field(
        default=None, description="fixed KV cache size of one GPU in bytes, such as 10G, in place of the utilisation"
    )
    enforce_eager: Annotated[
        bool | None, Shown("Batches", after="enable_prefix_caching"), Flag(as_set=True), MovesMemory()
    ] = Field(default=None, description="no CUDA graphs: less memory, slower decoding")
    max_num_seqs: Annotated[
        Sequences | None, BeforeValidator(_blank_is_none), Shown("Batches"), Flag(), MovesMemory()
    ] = Field(default=None, description="requests in one batch at most")
    max_num_batched_tokens: Annotated[
        Tokens | None, BeforeValidator(_blank_is_none), Shown("Batches", "batched tokens"), Flag(), MovesMemory()
    ] = Field(default=None, description="tokens in one step at most")
    block_size: Annotated[
        Tokens | None, BeforeValidator(_blank_is_none), Shown("Memory"), Flag(as_set=True), MovesMemory()
    ] = Field(default=None, description="tokens in one KV cache block")
    enable_prefix_caching: Annotated[
        bool | None, Shown("Batches", "prefix caching"), Flag(as_set=True), MovesMemory()
    ] = Field(default=None, description="keep the KV cache of shared prompt starts")
    max_cudagraph_capture_size: Annotated[
        Sequences | None,
        BeforeValidator(_blank_is_none),
        Shown("Batches", "CUDA graphs up to"),
        Flag(as_set=True),
        MovesMemory(),
    ] = Field(
        default=None,
        description="largest batch that gets a CUDA graph: smaller takes less memory, larger batches run slower",
    )
    speculative_tokens: Annotated[
        Annotated[int, BeforeValidator(parse_count), Field(ge=0, le=16)] | None,
        Shown("Batches", "drafted tokens"),
        MovesMemory(),
    ] = Field(default=None, description="tokens that the checkpoint's own MTP layers draft for each step; 0 is off")
    lora_modules: Annotated[
        tuple[LoraModule, ...] | None,
        BeforeValidator(_listed),
        Shown("Adapters", "LoRA adapters"),
        Flag(),
        OnlyIfAsked(),
    ] = Field(default=None, description="LoRA adapters to serve beside the model, as name=repository")
    max_loras: Annotated[
        Sequences | None, BeforeValidator(_blank_is_none), Shown("Adapters", "LoRAs in a batch"), Flag(), MovesMemory()
    ] = Field(default=None, description="LoRA adapters in one batch; each takes memory")
    max_lora_rank: Annotated[
        LoraRank | None, BeforeValidator(_blank_is_none), Shown("Adapters", "largest LoRA rank"), Flag(), MovesMemory()
    ] = Field(default=None, description="largest rank among the adapters; memory grows with it")
    host: Annotated[Text, Shown("Server"), Option(heading="Server"), Flag()] = Field(
        default="127.0.0.1", description="address to listen on; 127.0.0.1 is this machine only"
    )
    port: Annotated[Port, Shown("Server"), Option(heading="Server"), Flag()] = Field(
        default=8000, description="port to listen on"
    )
    api_key_env: Annotated[
        Variable | None, Shown("Server", "API key variable"), Option(heading="Server"), OnlyIfAsked()
    ] = Field(default=None, description="environment variable that holds the API key")
    served_model_name: Annotated[
        Text | None,
        BeforeValidator(_blank_is_none),
        Shown("Server", "served name"),
        Option(heading="Server"),
        Flag(as_set=True),
    ] = Field(default=None, description="model name that clients use")
    image: Annotated[Text | None, BeforeValidator(_blank_is_none), Shown("Server"), Option(heading="Server")] = Field(
        default=None, description="container image; empty means vLLM's own for the planned version"
    )


class PlanRequest(Section):
    """One question to the planner: this model, on these GPUs, for this workload, under this policy."""

    model: ModelInput
    hardware: HardwareInput = Field(default_factory=HardwareInput)
    workload: WorkloadInput = Field(default_factory=WorkloadInput)
    policy: PolicyInput = Field(default_factory=PolicyInput)
    explain: bool = Field(default=False, description="give a reason for every flag")
