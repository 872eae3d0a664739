"""Known endings: cause, evidence, and the change that cures them."""

# ruff: noqa: E501

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.launch.conftest import started
from tests.planning.conftest import facts, request
from wizard_tui.launch.calibrate import corrected
from wizard_tui.launch.failures import FailureReader, _rules
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.planner import plan
from wizard_tui.planning.suggest import patched, suggestions

READY_TO_CAPTURE = "Model loading took 14.99 GiB\nAvailable KV cache memory: 5.2 GiB\nGPU KV cache size: 5,000 tokens"

# texts as vLLM, PyTorch, NCCL and the system print them -> name, words of the cause, patch
ENDINGS: list[tuple[str, str, str, dict[str, Any]]] = [
    (
        "ValueError: To serve at least one request with the model's max seq len (131072), (16.0 GiB KV cache is needed, "
        "which is larger than the available KV cache memory (5.2 GiB). Based on the available memory, the estimated "
        "maximum model length is 42512. Try increasing `gpu_memory_utilization`",
        "max_model_len", "42512 tokens at most", {"model": {"max_model_len": "42512"}},
    ),
    (
        "ValueError: The model's max seq len (32768) is larger than the maximum number of tokens that can be stored in "
        "KV cache (20640). Try increasing `gpu_memory_utilization`",
        "max_model_len", "20640", {"model": {"max_model_len": "20640"}},
    ),
    (
        "ValueError: To serve at least one request with the models's max seq len (40960), 5.6 GiB KV cache is needed",
        "max_model_len", "40960", {"model": {"max_model_len": "20480"}},
    ),
    (
        "User-specified max_model_len (200000) is greater than the derived max_model_len "
        "(max_position_embeddings=131072 or model_max_length=None in model's config.json).",
        "max_model_len", "131072", {"model": {"max_model_len": "131072"}},
    ),
    (
        "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when",
        "no cache", "leave nothing", {"policy": {"gpu_memory_utilization": "0.95"}},
    ),
    (
        "ValueError: Free memory on device cuda:0 (20.5/79.18 GiB) on startup is less than desired GPU memory "
        "utilization (0.92, 72.84 GiB). Decrease GPU memory utilization",
        "free memory", "20.5 of 79.18", {"policy": {"gpu_memory_utilization": "0.24"}},
    ),
    (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity",
        "out of memory: load", "while the weights were loaded", {},
    ),
    (
        "Model loading took 14.99 GiB\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "out of memory: profile", "profiling run", {"policy": {"max_num_batched_tokens": "4096"}},
    ),
    (
        "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try lowering",
        "out of memory: sampler", "tried with 1024 requests", {"policy": {"max_num_seqs": "512"}},
    ),
    (
        "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (291). Each decode sequence requires one",
        "state blocks", "memory holds 291 of them, not 1024", {"policy": {"max_num_seqs": "291"}},
    ),
    (
        "ValueError: max_num_batched_tokens (2048) is smaller than max_model_len (8192). This effectively limits",
        "batched tokens", "cannot hold 8192", {"policy": {"max_num_batched_tokens": "8192"}},
    ),
    (
        "ValueError: Chunked MM input disabled but max_tokens_per_mm_item (16384) is larger than max_num_batched_tokens "
        "(8192). Please increase max_num_batched_tokens.",
        "batched tokens", "a step of 8192 tokens cannot hold 16384", {"policy": {"max_num_batched_tokens": "16384"}},
    ),
    (
        "ValueError: max_num_batched_tokens (64) must be greater than or equal to max_num_seqs (128).",
        "batched sequences", "64 tokens", {"policy": {"max_num_seqs": "64"}},
    ),
    (
        f"{READY_TO_CAPTURE}\nRuntimeError: CUDA error: out of memory",
        "out of memory: graphs", "after the KV cache was taken", {"policy": {"gpu_memory_utilization": "0.89"}},
    ),
    ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "host memory", "RAM", {}),
    ("Worker proc VllmWorker-1 exited: died with signal 9", "host memory", "killed", {}),
    (
        "huggingface_hub.errors.GatedRepoError: 401 Client Error. Cannot access gated repo for url https://x",
        "gated", "hf auth login", {},
    ),
    ("HfHubHTTPError: 401 Client Error: Unauthorized for url: https://x. Invalid credentials", "token", "new one", {}),
    ("HfHubHTTPError: 429 Client Error: Too Many Requests for url: https://x", "rate limit", "too many requests", {}),
    ("RepositoryNotFoundError: 404 Client Error. Repository Not Found for url: https://x", "not found", "does not exist", {}),
    ("LocalEntryNotFoundError: An error happened while trying to locate the file on the Hub", "offline", "network", {}),
    ("OSError: [Errno 98] Address already in use", "port", "port 8000", {"policy": {"port": "*"}}),
    (
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]]',
        "container runtime", "Container Toolkit", {},
    ),
    (
        'docker: Error response from daemon: Conflict. The container name "/vllm-x" is already in use by container "12"',
        "container name", "docker rm --force vllm-x", {},
    ),
    ("docker: Error response from daemon: manifest for vllm/vllm-openai:v9 not found", "image", "name and tag", {}),
    ("docker: Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "docker", "start it", {}),
    ("RuntimeError: Failed to infer device type, please set the environment variable", "no GPU", "sees no GPU", {}),
    (
        "ValueError: type fp8e4nv not supported in this architecture. The supported fp8 dtypes are ('fp8e4b15',",
        "KV cache dtype", "fp8", {"model": {"kv_cache_dtype": "auto"}},
    ),
    (
        "ValueError: No valid attention backend found for cuda with AttentionSelectorConfig(head_size=80). Reasons: {",
        "attention backend", "(cuda)", {"model": {"kv_cache_dtype": "auto"}, "policy": {"block_size": None}},
    ),
    ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "kernel image", "kernels", {}),
    ("RuntimeError: The NVIDIA driver on your system is too old (found version 12020)", "driver", "too old", {}),
    ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.9, please update", "driver", "update", {}),
    (
        "ValueError: Total number of attention heads (40) must be divisible by tensor parallel size (3).",
        "tensor parallel", "40 cannot be divided over 3", {"hardware": {"tensor_parallel_size": None}},
    ),
    (
        "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
        "world size", "needs 4 GPUs, and vLLM sees 2",
        {"hardware": {"tensor_parallel_size": None, "pipeline_parallel_size": None, "data_parallel_size": None,
                      "gpus": "2"}},
    ),
    (
        "vllm: error: unrecognized arguments: --performance-mode throughput",
        "unknown flag", "--performance-mode throughput", {"policy": {"vllm_version": "0.12.0"}},
    ),
    (
        "ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0. Your Tesla T4 GPU",
        "dtype", "bfloat16", {"model": {"dtype": "float16"}},
    ),
    (
        "ValueError: The quantization method modelopt_fp4 is not supported for the current GPU. Minimum capability: 100",
        "quantisation", "modelopt_fp4", {},
    ),
    ("OSError: [Errno 28] No space left on device", "disk", "HF_HOME", {}),
    ("Fatal Python error: Bus error", "shared memory", "--ipc host", {}),
    ("torch.distributed.DistBackendError: NCCL error in: ProcessGroupNCCL.cpp:3356", "nccl", "NCCL_DEBUG", {}),
    (
        "ValueError: As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat",
        "chat template", "--chat-template", {},
    ),
    (
        "Please pass the argument `trust_remote_code=True` to allow custom code to be run.",
        "remote code", "only if you trust it", {"model": {"trust_remote_code": True}},
    ),
    (
        "ValueError: Model architectures ['NewForCausalLM'] are not supported for now. Supported architectures:",
        "architecture", "newer one", {},
    ),
    ("bash: vllm: command not found", "no vllm", "pip install vllm", {}),
    (
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above)",
        "worker died", "died without a reason", {},
    ),
]  # fmt: skip


# what the server was asked for, where its cure is to ask for something else
ASKED: dict[str, dict[str, Any]] = {
    "tensor parallel": {"hardware": {"tensor_parallel_size": 3}},
    "world size": {"hardware": {"tensor_parallel_size": 4}},
    "KV cache dtype": {"model": {"kv_cache_dtype": "fp8"}},
    "attention backend": {"model": {"kv_cache_dtype": "fp8"}},
}


def decided(**sections: Any) -> Decision:
    return decide(request(**sections), facts())


@pytest.mark.parametrize(
    ("text", "name", "words", "patch"), ENDINGS, ids=[row[1] + str(i) for i, row in enumerate(ENDINGS)]
)
@pytest.mark.parametrize("header", ["", "(EngineCore pid=12) ERROR 11-24 02:21:00 [core.py:1510] "])
def test_an_ending_is_named_with_its_cure(text: str, name: str, words: str, patch: dict[str, Any], header: str) -> None:
    decision = decided(**ASKED.get(name, {}))
    version = ["vLLM API server version 0.12.0"] if name == "unknown flag" else []
    lines = [
        *version,
        *(f"{header}{line}" for line in text.splitlines()),
        "RuntimeError: Engine core initialization failed.",
    ]
    failure = started(lines).failure(decision)
    assert failure is not None
    assert failure.name == name
    assert words in failure.cause
    assert "{" not in failure.cause
    assert any(line in failure.evidence for line in text.splitlines())
    assert "pid=" not in failure.evidence
    if patch == {"policy": {"port": "*"}}:
        assert int(failure.patch["policy"]["port"]) > 8000
    else:
        assert failure.patch == patch
    # every cure can be planned
    plan(patched(decision.request, failure.patch), facts())


def test_every_rule_is_tried_above() -> None:
    assert {rule.name for rule in _rules()} == {name for _, name, _, _ in ENDINGS}


def test_the_cure_is_the_first_suggestion_that_makes_it_fit() -> None:
    decision = decided(model={"max_model_len": 131072}, policy={"gpu_memory_utilization": 0.3})
    failure = started(["torch.OutOfMemoryError: CUDA out of memory."]).failure(decision)
    assert failure is not None
    assert failure.patch == suggestions(decision)[0].patch


def test_a_plan_that_was_wrong_is_cured_by_what_the_log_showed() -> None:
    decision = decided(model={"max_model_len": 8192}, policy={"gpu_memory_utilization": 0.3})
    assert decision.fits
    lines = ["Available KV cache memory: -1.50 GiB", "ValueError: No available memory for the cache blocks."]
    failure = started(lines).failure(decision)
    assert failure is not None
    seen = corrected(decision, started(lines).log)
    assert not seen.fits
    assert decide(patched(decision.request, failure.patch), seen.facts).fits


def test_a_change_without_effect_is_not_a_cure() -> None:
    failure = started(["ValueError: 40 is not divisible by 3"]).failure(decided())
    assert failure is not None
    assert failure.patch == {}


@pytest.mark.parametrize(
    "line",
    [
        "(EngineCore pid=1) INFO 11-24 02:21:00 [core.py:1] Initializing a V1 LLM engine, trust_remote_code=True, NCCL error",
        "WARNING 11-24 02:21:00 [parallel.py:746] Address already in use. Retrying with a new port.",
        "config: trust_remote_code=True",
    ],
)
def test_a_line_of_plain_information_is_not_an_ending(line: str) -> None:
    assert started([line]).failure() is None


def test_the_cause_wins_over_what_follows_from_it() -> None:
    lines = [
        "EngineDeadError: EngineCore encountered an issue.",
        "ValueError: No available memory for the cache blocks.",
        "RuntimeError: Engine core initialization failed. See root cause above.",
    ]
    failure = started(lines).failure()
    assert failure is not None
    assert failure.name == "no cache"
    # without a plan there is no utilisation to raise
    assert failure.patch == {}


def test_a_good_start_has_no_ending() -> None:
    lines = [*READY_TO_CAPTURE.splitlines(), "Application startup complete.", "Avg prompt throughput: 0.0 tokens/s"]
    assert started(lines).failure() is None


@given(st.lists(st.text(max_size=200), max_size=20))
def test_any_text_is_read_without_a_fault(lines: list[str]) -> None:
    reader = FailureReader()
    for line in lines:
        reader.feed(line, None)
    failure = reader.failure()
    assert failure is None or (failure.cause and re.search(r"\S", failure.evidence))
