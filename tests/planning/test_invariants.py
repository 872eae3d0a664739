"""What holds for every request, drawn from the whole of the schema. EXAMPLES=200000 draws as many as that."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.planning.conftest import CONFIGS, facts
from wizard_tui.engine.flags import flags_of
from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name
from wizard_tui.models import catalog
from wizard_tui.models.metadata import ModelMetadata, load_model_metadata
from wizard_tui.planning.planner import plan
from wizard_tui.render.arguments import serve_arguments
from wizard_tui.resolve import Facts
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse, VLLMConfig

EXAMPLES = int(os.environ.get("EXAMPLES", "150"))
MANY = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
FEWER = settings(MANY, max_examples=max(1, EXAMPLES // 5))

MODELS = (
    "llama-8b", "llama-70b", "qwen3-30b-a3b", "openai/gpt-oss-20b", "Qwen/Qwen3-32B-AWQ", "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V3.1", "ibm-granite/granite-4.0-h-small", "state-spaces/mamba-2.8b-hf",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct", "nvidia/Qwen3-235B-A22B-NVFP4",
)  # fmt: skip
GPUS = tuple(gpu.name for gpu in all_gpus())
VERSIONS = ("0.6.6", "0.8.5", "0.11.0", "0.19.0", "0.24.0", "0.29.0", "0.31.0", "0.33.0")
POWERS = st.sampled_from((1, 2, 3, 4, 5, 8, 16, 64))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def section(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


MODEL = section(
    max_model_len=maybe(st.integers(1, 200_000) | st.sampled_from((1, 1 << 20, "32K"))),
    dtype=st.sampled_from(("auto", "float16", "bfloat16", "float32", "half")),
    quantization=maybe(st.sampled_from(("fp8", "awq", "gptq", "bitsandbytes", "nonsense"))),
    kv_cache_dtype=st.sampled_from(("auto", "fp8", "fp8_e5m2", "bfloat16")),
    trust_remote_code=st.booleans(),
    revision=maybe(st.text(min_size=1, max_size=8)),
)
HARDWARE = section(
    gpus=st.sampled_from((1, 2, 3, 4, 8)),
    vram_gb=maybe(st.floats(0.5, 400) | st.just("80G")),
    tensor_parallel_size=maybe(POWERS),
    pipeline_parallel_size=maybe(POWERS),
    data_parallel_size=maybe(POWERS),
    enable_expert_parallel=maybe(st.booleans()),
    nodes=st.sampled_from((1, 1, 1, 2, 4)),
    interconnect=st.sampled_from(("unknown", "nvlink", "pcie")),
    used_gib=maybe(st.floats(0, 30)),
)
WORKLOAD = section(
    prompt_tokens=st.integers(1, 100_000),
    gen_tokens=st.integers(1, 20_000),
    concurrency=st.integers(1, 5_000),
    target_ttft_ms=maybe(st.floats(0.1, 1e5)),
    target_tpot_ms=maybe(st.floats(0.1, 1e4)),
    batching_mode=st.sampled_from(("auto", "throughput", "latency", "balanced")),
    shared_prefix_tokens=st.integers(0, 50_000),
    measured_toks_per_s=maybe(st.floats(0.1, 1e5)),
    measured_tpot_ms=maybe(st.floats(0.1, 1e4)),
)
POLICY = section(
    gpu_memory_utilization=maybe(st.floats(0.01, 1.0)),
    overhead_gb=maybe(st.floats(0, 50)),
    fragmentation_factor=st.floats(1.0, 3.0),
    headroom_gb=st.floats(0, 50),
    vllm_version=maybe(st.sampled_from(VERSIONS)),
    kv_cache_memory_bytes=maybe(st.integers(1, 1 << 40)),
    enforce_eager=maybe(st.booleans()),
    max_num_seqs=maybe(st.integers(1, 4096)),
    max_num_batched_tokens=maybe(st.integers(1, 1 << 17)),
    block_size=maybe(st.sampled_from((1, 8, 16, 32, 64, 128))),
    enable_prefix_caching=maybe(st.booleans()),
    max_cudagraph_capture_size=maybe(st.integers(1, 2048)),
    speculative_tokens=st.integers(0, 4),
    max_loras=maybe(st.integers(1, 8)),
    port=st.integers(1, 65535),
    served_model_name=maybe(st.text(min_size=1, max_size=12)),
)
ASKED = st.fixed_dictionaries(
    {"model": MODEL, "hardware": HARDWARE, "workload": WORKLOAD, "policy": POLICY, "explain": st.booleans()}
)


@cache
def metadata(model: str) -> ModelMetadata:
    return facts(model).metadata if model in CONFIGS else load_model_metadata(model)


@st.composite
def requests(draw: st.DrawFn) -> tuple[PlanRequest, Facts]:
    """A request that is valid, with facts that go with it."""
    data = draw(ASKED)
    model, gpu = draw(st.sampled_from(MODELS)), get_gpu_by_name(draw(st.sampled_from(GPUS)))
    data["model"] = {"model": model} | data["model"]
    try:
        asked = PlanRequest.model_validate(data)
    except ValidationError:
        assume(False)
        raise
    if asked.hardware.vram_gb:
        gpu = replace(gpu, total_bytes=int(asked.hardware.vram_gb * (1 << 30)))
    return asked, Facts(metadata(model), (gpu,) * asked.hardware.gpus, draw(maybe(st.sampled_from(VERSIONS))))


def planned(asked: PlanRequest, known: Facts) -> PlanResponse:
    """The plan; a request that no plan can be made for is refused by one sentence, and is no example."""
    try:
        return plan(asked, known)
    except ValueError as error:
        assert str(error)
        assert "\n" not in str(error)
        assume(False)
        raise


@MANY
@given(requests())
def test_parts_add_up_and_ranges_hold_what_they_stand_around(drawn: tuple[PlanRequest, Facts]) -> None:
    response = planned(*drawn)
    memory, tokens = response.memory, response.kv_cache
    parts = memory.weights + memory.activation_peak + memory.cuda_graphs + memory.non_torch + memory.kv_available
    assert parts == memory.budget
    assert memory.kv_available_range[0] <= memory.kv_available <= memory.kv_available_range[1]
    assert 0 <= tokens.tokens_range[0] <= tokens.tokens <= tokens.tokens_range[1]
    for name, value in vars(response.performance).items():
        if name.endswith("_range"):
            assert 0 < value[0] <= value[1], name
    assert response.feasibility.verdict
    assert "\n" not in response.feasibility.verdict


@MANY
@given(requests())
def test_every_flag_is_one_of_that_version_and_answers_survive_json(drawn: tuple[PlanRequest, Facts]) -> None:
    asked, known = drawn
    response = planned(asked, known)
    flags = flags_of(response.config.deployment.vllm_version).values()
    names = {word.partition("=")[0] for word in serve_arguments(response.config) if word.startswith("--")}
    assert names <= {name for flag in flags for name in (flag.name, flag.off)}
    assert PlanResponse.model_validate_json(response.model_dump_json()) == response
    assert PlanRequest.model_validate_json(asked.model_dump_json()) == asked


def pinned(asked: PlanRequest, config: VLLMConfig, **model: Any) -> PlanRequest:
    """The same request with everything set that the planner or vLLM would choose by the size of the GPU."""
    data = asked.model_dump()
    data["model"] |= {"max_model_len": config.max_model_len or 4096, **model}
    data["hardware"] |= {
        "tensor_parallel_size": config.tensor_parallel_size or 1,
        "pipeline_parallel_size": config.pipeline_parallel_size or 1,
        "data_parallel_size": config.data_parallel_size or 1,
        "vram_gb": None,
    }
    data["policy"] |= {
        "max_num_batched_tokens": data["policy"]["max_num_batched_tokens"] or 2048,
        "max_num_seqs": data["policy"]["max_num_seqs"] or 128,
        "gpu_memory_utilization": data["policy"]["gpu_memory_utilization"] or 0.9,
        "kv_cache_memory_bytes": None,
    }
    return PlanRequest.model_validate(data)


@FEWER
@given(requests(), st.integers(1, 1 << 35))
def test_more_memory_never_holds_less(drawn: tuple[PlanRequest, Facts], more: int) -> None:
    asked, known = drawn
    asked = pinned(asked, planned(asked, known).config)
    larger = replace(known, gpus=tuple(replace(gpu, total_bytes=gpu.total_bytes + more) for gpu in known.gpus))
    before, after = planned(asked, known), planned(asked, larger)
    assert after.kv_cache.max_concurrency >= before.kv_cache.max_concurrency
    assert after.feasibility.fits >= before.feasibility.fits


@FEWER
@given(requests(), st.integers(1, 5))
def test_a_longer_context_never_serves_more_at_once(drawn: tuple[PlanRequest, Facts], times: int) -> None:
    asked, known = drawn
    config = planned(asked, known).config
    length = config.max_model_len or 4096
    short = planned(pinned(asked, config, max_model_len=length), known)
    long = planned(pinned(asked, config, max_model_len=min(1 << 30, length * (times + 1))), known)
    assert long.kv_cache.max_concurrency <= short.kv_cache.max_concurrency


@FEWER
@given(requests(), st.sampled_from((1, 2, 4)))
def test_more_tensor_parallelism_never_gives_a_rank_more_weights(drawn: tuple[PlanRequest, Facts], tp: int) -> None:
    asked, known = drawn
    config = planned(asked, known).config
    box = replace(known, gpus=(known.gpus[0],) * 8)

    def weights(size: int) -> int:
        data = pinned(asked, config).model_dump()
        data["hardware"] |= {"gpus": 8, "nodes": 1, "tensor_parallel_size": size, "pipeline_parallel_size": 1}
        data["hardware"] |= {"data_parallel_size": 1}
        return planned(PlanRequest.model_validate(data), box).memory.weights

    assert weights(2 * tp) <= weights(tp)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [f"{part}.{name}" for part, info in PlanRequest.model_fields.items() if part != "explain"
     for name in info.annotation.model_fields]  # type: ignore[union-attr]
)  # fmt: skip


@MANY
@given(st.dictionaries(NAMES, ANYTHING, max_size=4))
def test_a_wrong_request_is_refused_by_the_documented_error_alone(wrong: dict[str, Any]) -> None:
    data: dict[str, Any] = {"model": {"model": "llama-8b"}}
    for path, value in wrong.items():
        part, name = path.split(".")
        data.setdefault(part, {})[name] = value
    try:
        asked = PlanRequest.model_validate(data)
    except ValidationError:
        return
    planned(asked, Facts(metadata("llama-8b"), (get_gpu_by_name("H100 80GB"),)))


def test_the_models_that_are_drawn_are_known() -> None:
    assert all(model in CONFIGS or catalog.find(model) for model in MODELS)
