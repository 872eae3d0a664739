"""Plan requests drawn at random from the whole of the schema, with facts that go with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, get_args

from hypothesis import strategies as st

from tests.planning.conftest import CONFIGS, facts
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.load import load_model_metadata, metadata_from_count
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.resolver import Facts, are_of_this_box, resolve_gpus
from wizard_tui.schemas.choices import LORA_RANKS, BatchingMode, DType, Interconnect, KVCacheDType
from wizard_tui.schemas.inputs import PlanRequest

Strategy = st.SearchStrategy[Any]

# one for each way to hold a cache and to be quantised
MODELS = (
    "llama-8b", "llama-70b", "qwen3-30b-a3b", "openai/gpt-oss-20b", "Qwen/Qwen3-32B-AWQ", "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V3.1", "ibm-granite/granite-4.0-h-small", "state-spaces/mamba-2.8b-hf",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "nvidia/Qwen3-235B-A22B-NVFP4",
)  # fmt: skip
UNKNOWN_MODEL = "nobody/knows-it"
GPUS = tuple(gpu.name for gpu in all_gpus())
VERSIONS = ("0.6.6", "0.8.5", "0.11.0", "0.19.0", "0.24.0", "0.29.0", "0.31.0", "0.33.0", "0.33.1rc1.dev7+g1234abc")
IMAGES = ("me/vllm:v0.29.0", "registry.local:5000/vllm:0.19.0", "vllm")
IN_THE_BOX = 8

# characters that no field takes: control characters except tabs and line feeds, line separators, direction marks
CHARACTERS = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    include_characters="\t\n",
)
WORDS = st.sampled_from(("main", "x", "-x", "a b", "$HOME", "'", '"', "ü", "{{ x }}", "--flag", "#", "%n")) | st.text(
    CHARACTERS, min_size=1, max_size=12
)
POWERS = st.sampled_from((1, 1, 2, 2, 3, 4, 5, 8, 16, 64))
TOKENS = st.integers(1, 200_000) | st.sampled_from((1, 1 << 20, 1 << 30, "32K", "8k", "1,024"))
SIZES = st.floats(0.5, 400) | st.sampled_from((1e-6, 1 << 20, "80G", "79.2 GiB"))
MILLISECONDS = st.floats(1e-3, 1e6)


def maybe(strategy: Strategy) -> Strategy:
    return st.none() | strategy


# every field of the schema with values that it takes
FIELDS: dict[str, dict[str, Strategy]] = {
    "model": {
        "model": st.sampled_from((*MODELS, UNKNOWN_MODEL)),
        "revision": maybe(WORDS),
        "trust_remote_code": st.booleans(),
        "dtype": st.sampled_from((*get_args(DType), "half", "BF16")),
        "quantization": maybe(st.sampled_from(("fp8", "awq", "gptq", "bitsandbytes", "nonsense"))),
        "kv_cache_dtype": st.sampled_from(("auto", "auto", "auto", "fp8", *get_args(KVCacheDType))),
        "max_model_len": maybe(TOKENS),
        "tokenizer": maybe(WORDS),
        "params_b": maybe(st.floats(1e-3, 1e6)),
    },
    "hardware": {
        "gpu": st.sampled_from(("auto", *GPUS)),
        "gpus": st.sampled_from((1, 2, 3, 4, 8, 16, 4096)),
        "vram_gb": maybe(SIZES),
        "interconnect": st.sampled_from(get_args(Interconnect)),
        "tensor_parallel_size": maybe(POWERS),
        "pipeline_parallel_size": maybe(POWERS),
        "data_parallel_size": maybe(POWERS),
        "enable_expert_parallel": maybe(st.booleans()),
        "nodes": st.sampled_from((1, 1, 1, 2, 4, 4096)),
        "indices": maybe(st.lists(st.integers(0, IN_THE_BOX), max_size=4, unique=True) | st.just("0,1")),
        "used_gib": maybe(st.floats(0, 30)),
    },
    "workload": {
        "prompt_tokens": TOKENS,
        "gen_tokens": TOKENS,
        "concurrency": st.integers(1, 1 << 20),
        "target_ttft_ms": maybe(MILLISECONDS),
        "target_tpot_ms": maybe(MILLISECONDS),
        "streaming": st.booleans(),
        "batching_mode": st.sampled_from(get_args(BatchingMode)),
        "shared_prefix_tokens": TOKENS | st.just(0),
        "measured_toks_per_s": maybe(st.floats(1e-3, 1e9)),
        "measured_ttft_ms": maybe(MILLISECONDS),
        "measured_tpot_ms": maybe(MILLISECONDS),
        "measured_concurrency": maybe(st.integers(1, 5000)),
        "measured_prompt_tokens": maybe(TOKENS),
        "measured_gen_tokens": maybe(TOKENS),
    },
    "policy": {
        "gpu_memory_utilization": maybe(st.floats(0.01, 1.0)),
        "overhead_gb": maybe(st.floats(0, 50)),
        "fragmentation_factor": st.floats(1.0, 2.0),
        "headroom_gb": st.floats(0, 50),
        "vllm_version": maybe(st.sampled_from((*VERSIONS, *VERSIONS, "nightly"))),
        "kv_cache_memory_bytes": maybe(st.integers(1, 1 << 40) | st.just("10G")),
        "enforce_eager": maybe(st.booleans()),
        "max_num_seqs": maybe(st.integers(1, 1 << 20)),
        "max_num_batched_tokens": maybe(TOKENS),
        "block_size": maybe(st.sampled_from((1, 8, 16, 32, 64, 128, 1 << 30))),
        "enable_prefix_caching": maybe(st.booleans()),
        "max_cudagraph_capture_size": maybe(st.integers(1, 1 << 20)),
        "speculative_tokens": maybe(st.integers(0, 16)),
        "lora_modules": maybe(st.lists(WORDS.map(lambda word: f"a={word}"), max_size=3) | st.just("a=b/c, d=e/f")),
        "max_loras": maybe(st.integers(1, 1 << 20)),
        "max_lora_rank": maybe(st.sampled_from(LORA_RANKS)),
        "host": st.sampled_from(("0.0.0.0", "::1", "localhost")) | WORDS,
        "port": st.integers(1, 65535),
        "api_key_env": maybe(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*", fullmatch=True)),
        "served_model_name": maybe(WORDS),
        "image": maybe(st.sampled_from((*IMAGES, "not one"))),
    },
}

# reasons to refuse a request beyond its schema, and the fields that must be set for each
REFUSALS: tuple[tuple[str, Callable[[PlanRequest], object]], ...] = (
    (r"vLLM \S+ has no --max-cudagraph-capture-size; it needs", lambda asked: asked.policy.max_cudagraph_capture_size),
    (r"vLLM \S+ has no --kv-cache-memory-bytes; it needs", lambda asked: asked.policy.kv_cache_memory_bytes),
    (r"vLLM \S+ has no --nnodes; it needs", lambda asked: asked.hardware.nodes > 1),
    (r"kv_cache_dtype \S+ (needs a model of that type|cannot hold|is for).*; use (fp8 or )?auto",
     lambda asked: asked.model.kv_cache_dtype != "auto"),
    (r"--kv-cache-dtype takes one of", lambda asked: asked.model.kv_cache_dtype != "auto"),
    (r"holds a character that no command line can carry; remove it", lambda asked: True),
    (r" is no vLLM version; write it like", lambda asked: asked.policy.vllm_version not in (None, *VERSIONS)),
    (r" is not an image; write it like", lambda asked: asked.policy.image not in (None, *IMAGES)),
    (r"no GPU is given; name one", lambda asked: asked.hardware.indices == ()),
    (r"GPU \d+ is not in this machine; it has", lambda asked: asked.hardware.indices is not None),
    (r"\d+ GPUs were asked for, but this machine shows", lambda asked: asked.hardware.gpu == "auto"),
)  # fmt: skip


def section(fields: dict[str, Strategy]) -> Strategy:
    """Some of the fields: the smallest request sets the model alone."""
    needed = {name: drawn for name, drawn in fields.items() if name == "model"}
    return st.fixed_dictionaries(needed, optional={name: d for name, d in fields.items() if name not in needed})


ASKED = st.fixed_dictionaries({**{part: section(fields) for part, fields in FIELDS.items()}, "explain": st.booleans()})


@st.composite
def requests(draw: st.DrawFn) -> tuple[PlanRequest, Facts | str]:
    """A request, valid by construction, and its facts; or the sentence that refuses its GPUs."""
    asked = PlanRequest.model_validate(draw(ASKED))
    try:
        gpus = resolve_gpus(asked.hardware, detected=box(draw(st.sampled_from(GPUS))))
    except Refusal as error:
        return asked, refused(asked, error)
    installed = draw(maybe(st.sampled_from(VERSIONS))) if are_of_this_box(gpus) else None
    return asked, Facts(metadata_of(asked), gpus, installed)


def box(name: str) -> tuple[GPU, ...]:
    """The GPUs of a machine, as if they were detected."""
    gpu = get_gpu_by_name(name)
    return tuple(replace(gpu, index=index, used_bytes=500 << 20, source="nvml") for index in range(IN_THE_BOX))


def metadata_of(asked: PlanRequest) -> ModelMetadata:
    if asked.model.model == UNKNOWN_MODEL:
        return metadata_from_count(UNKNOWN_MODEL, asked.model.params_b or 7, "it is not known")
    return _known(asked.model.model)


@cache
def _known(model: str) -> ModelMetadata:
    return facts(model).metadata if model in CONFIGS else load_model_metadata(model)


def refused(asked: PlanRequest, error: Refusal) -> str:
    """The sentence of a refusal; fails when this request may not get it."""
    sentence = str(error)
    assert "\n" not in sentence
    assert any(re.search(pattern, sentence) and may(asked) for pattern, may in REFUSALS), sentence
    return sentence
