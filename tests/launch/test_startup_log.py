"""Start-up logs of many versions. The lines are vLLM's own formats; the figures are from public logs, named beside."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.launch.conftest import started
from wizard_tui.launch.startup_log import LINE_LIMIT, StartupLog, _patterns, clean_line

# Llama-3.1-8B-Instruct on an A100 80 GB, image v0.31.0, all defaults
V031 = r"""
(APIServer pid=1) INFO 11-02 09:00:00 [utils.py:233] vLLM server version 0.31.0, serving model meta-llama/Llama-3.1-8B-Instruct
(APIServer pid=1) INFO 11-02 09:00:00 [utils.py:233] non-default args: {'model': 'meta-llama/Llama-3.1-8B-Instruct'}
(APIServer pid=1) INFO 11-02 09:00:03 [model.py:1] Resolved architecture: LlamaForCausalLM
(APIServer pid=1) INFO 11-02 09:00:03 [model.py:1] Using max model len 131072
(EngineCore pid=90) INFO 11-02 09:00:20 [gpu_model_runner.py:1] Model loading took 15.0 GiB memory and 4.1 seconds
(EngineCore pid=90) INFO 11-02 09:00:40 [gpu_worker.py:1] Available KV cache memory: 56.21 GiB
(EngineCore pid=90) INFO 11-02 09:00:40 [kv.py:1] GPU KV cache size: 460,496 tokens, Maximum concurrency for 131,072 tokens per request: 3.51x
(EngineCore pid=90) INFO 11-02 09:00:50 [gpu_worker.py:1] Graph capturing finished in 4 secs, took 0.23 GiB
(EngineCore pid=90) INFO 11-02 09:00:50 [gpu_worker.py:1] Free memory on device (78.84/79.25 GiB) on startup. Desired GPU memory utilization is (0.92, 72.91 GiB). Actual usage is 15.26 GiB for consumed memory (weights + non-torch), 1.44 GiB for peak activation, and 0.23 GiB for CUDAGraph memory.
(APIServer pid=1) INFO:     Application startup complete.
"""

# V0 of late 2024: the unit says GB and means GiB
V06 = """
INFO 12-13 09:00:00 model_runner.py:1077] Loading model weights took 14.9888 GB
INFO 12-13 09:00:01 worker.py:232] the current vLLM instance can use total_gpu_memory (79.11GiB) x gpu_memory_utilization (0.90) = 71.20GiB
INFO 12-13 09:00:01 worker.py:232] model weights take 14.99GiB; non_torch_memory takes 0.09GiB; PyTorch activation peak memory takes 1.23GiB; the rest of the memory reserved for KV Cache is 54.62GiB.
INFO 12-13 09:00:01 gpu_executor.py:76] # GPU blocks: 27906, # CPU blocks: 2048
INFO 12-13 09:00:01 gpu_executor.py:80] Maximum concurrency for 32768 tokens per request: 13.63x
"""

# 0.10 to 0.27: two capacity lines, four workers
V011 = """
\x1b[1;36m(Worker_TP0 pid=1)\x1b[0;0m INFO 09-01 09:00:00 [gpu_model_runner.py:1] Model loading took 33.88 GiB and 9.1 seconds
\x1b[1;36m(Worker_TP1 pid=2)\x1b[0;0m INFO 09-01 09:00:00 [gpu_model_runner.py:1] Model loading took 33.91 GiB and 9.1 seconds
(Worker_TP0 pid=1) INFO 09-01 09:00:09 [gpu_worker.py:1] Available KV cache memory: 37.28 GiB
(Worker_TP1 pid=2) INFO 09-01 09:00:09 [gpu_worker.py:1] Available KV cache memory: 37.20 GiB
(EngineCore_DP0 pid=9) INFO 09-01 09:00:09 [kv_cache_utils.py:1] GPU KV cache size: 244,304 tokens
(EngineCore_DP0 pid=9) INFO 09-01 09:00:09 [kv_cache_utils.py:1] Maximum concurrency for 8,192 tokens per request: 29.82x
"""


# a line that some version prints -> the values read from it
FORMATS: list[tuple[str, str, dict[str, object]]] = [
    ("0.6", "Loading model weights took 14.9888 GB", {"weights_gib": 14.9888}),
    ("0.6", "# cuda blocks: 6400, # CPU blocks: 2048", {"num_gpu_blocks": 6400}),
    ("0.6", "Maximum concurrency for 32768 tokens per request: 13.63x", {"max_concurrency": 13.63}),
    ("0.7", "Model loading took 14.9888 GB and 13.204526 seconds", {"weights_gib": 14.9888}),
    ("0.7", "Initializing an LLM engine (v0.7.3) with config: model='x'", {"version": "0.7.3"}),
    ("0.8", "Model loading took 14.9889 GiB and 2.756 seconds", {"weights_gib": 14.9889}),
    ("0.8", "Initializing a V1 LLM engine (v0.8.5) with config: model='x'", {"version": "0.8.5"}),
    ("0.8", "GPU KV cache size: 447,088 tokens", {"kv_cache_tokens": 447_088}),
    ("0.8", "Maximum concurrency for 32,768 tokens per request: 13.64x", {"max_concurrency": 13.64}),
    ("0.8", "# GPU blocks: 27943", {"num_gpu_blocks": 27_943}),
    ("0.9", "vLLM API server version 0.9.2", {"version": "0.9.2"}),
    ("0.10", "Available KV cache memory: 50.13 GiB", {"available_kv_gib": 50.13}),
    ("0.10", "torch.compile takes 7.59 s in total", {"compile_seconds": 7.59}),
    ("0.11", "Graph capturing finished in 20 secs, took 0.60 GiB", {"graph_seconds": 20, "graphs_gib": 0.60}),
    (
        "0.11",
        "Free memory on device (78.69/79.18 GiB) on startup. Desired GPU memory utilization is (0.9, 71.26 GiB). Actual "
        "usage is 14.99 GiB for weight, 1.21 GiB for peak activation, 0.08 GiB for non-torch memory, and 0.6 GiB for",
        {"weights_gib": 14.99, "activation_peak_gib": 1.21, "non_torch_gib": 0.08, "requested_gib": 71.26},
    ),
    ("0.21", "Estimated CUDA graph memory: 0.79 GiB total", {"graphs_estimated_gib": 0.79}),
    ("0.22", "Model loading took 14.99 GiB memory and 2.7 seconds", {"weights_gib": 14.99}),
    ("0.22", "GPU KV cache size: 447,088 tokens", {"kv_cache_tokens": 447_088}),
    (
        "0.28",
        "Actual usage is 15.26 GiB for consumed memory (weights + non-torch), 1.44 GiB for peak activation",
        {"consumed_gib": 15.26, "peak_with_graphs_gib": 1.44},
    ),
    (
        "0.31",
        "GPU KV cache size: 460,496 tokens, Maximum concurrency for 131,072 tokens per request: 3.51x",
        {"kv_cache_tokens": 460_496, "concurrency_len": 131_072, "max_concurrency": 3.51},
    ),
    (
        "0.32",
        "CPU KV cache size: 2,097,152 tokens, Maximum concurrency for 1,024 tokens per request: 2048.00x",
        {"kv_cache_tokens": 2_097_152, "max_concurrency": 2048.0},
    ),
    ("0.33", "vLLM server version 0.33.0, serving model Qwen/Qwen3-8B", {"version": "0.33.0"}),
    ("0.33", "Loading weights took 3.10 seconds", {"load_seconds": 3.1}),
    (
        "0.33",
        "Initial free memory 78.84 GiB, reserved 10.0 GiB memory for KV Cache as specified by kv_cache_memory_bytes",
        {"available_kv_gib": 10.0},
    ),
    ("0.33", "Auto-fit max_model_len: reduced from 131072 to 40960 to fit in", {"max_model_len": 40_960}),
    ("0.33", "Auto-fit max_model_len: full model context length 32768 fits in available", {"max_model_len": 32_768}),
    (
        "0.33",
        "CUDA graph pool memory: 0.23 GiB (actual), 0.79 GiB (estimated), difference: 0.56 GiB (70.9%).",
        {"graphs_gib": 0.23, "graphs_estimated_gib": 0.79},
    ),
    ("0.33", "Setting kv cache block size to 64 for FLASHMLA backend(s).", {"block_size": 64}),
    (
        "0.33",
        "init engine (profile, create kv cache, warmup model) took 35.35 s (compilation: 7.2 s)",
        {"init_seconds": 35.35},
    ),
    ("0.33", "Starting vLLM server on http://0.0.0.0:8000", {"address": "http://0.0.0.0:8000"}),
]
# headers before the message, by age
HEADERS = (
    "",
    "INFO 12-13 09:00:00 model_runner.py:1077] ",
    "INFO 11-23 09:00:00 [gpu_model_runner.py:1] ",
    "(EngineCore_DP0 pid=9) INFO 11-23 09:00:00 [gpu_worker.py:1] ",
    "(Worker_PP0_TP1 pid=9) INFO 11-23 09:00:00 [vllm/v1/worker/gpu_worker.py:1] ",
    "vllm-1  | \x1b[0;36m(EngineCore pid=9)\x1b[0;0m INFO 11-23 09:00:00 [gpu_worker.py:1] ",
    "2026-11-23T09:00:00.000000000Z stdout F (APIServer pid=1) INFO 11-23 09:00:00 [utils.py:1] ",
)


@pytest.mark.parametrize(("version", "line", "values"), FORMATS, ids=[f"{v} {text[:30]}" for v, text, _ in FORMATS])
def test_each_versions_words_are_read_behind_any_header(version: str, line: str, values: dict[str, object]) -> None:
    for header in HEADERS:
        log = started([header + line]).log
        assert {name: log.values.get(name) for name in values} == values, header


def test_every_pattern_is_tried_by_a_line_here() -> None:
    lines = [line for _, line, _ in FORMATS] + [*V031.splitlines(), *V06.splitlines(), *V011.splitlines(), *OTHERS]
    _, patterns = _patterns()
    untried = [pattern.pattern for _, _, pattern in patterns if not any(pattern.search(line) for line in lines)]
    assert untried == []


# lines that tell how far a start is, and what vLLM chose
OTHERS = (
    "Chunked prefill is enabled with max_num_batched_tokens=8192.",
    "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN', 'FLASHINFER'].",
    "Setting attention block size to 528 tokens to ensure that attention page size is >= mamba page size.",
    "Loading safetensors checkpoint shards:  50% Completed | 2/4 [00:02<00:02,  1.02s/it]",
    "Overriding num_gpu_blocks=27906 with num_gpu_blocks_override=512",
    "Capturing CUDA graphs (decode, FULL):  57%|#####7    | 20/35 [00:02<00:01]",
)


def test_031_from_start_to_ready() -> None:
    log = started(V031.splitlines()).log
    assert log.ready
    assert log.values["version"] == "0.31.0"
    assert log.values["weights_gib"] == 15.0
    assert log.values["available_kv_gib"] == 56.21
    assert log.kv_cache_tokens == 460_496
    assert (log.values["concurrency_len"], log.values["max_concurrency"]) == (131_072, 3.51)
    assert (log.values["free_gib"], log.values["total_gib"], log.values["utilization"]) == (78.84, 79.25, 0.92)
    assert log.values["consumed_gib"] == 15.26
    assert log.arguments == {"model": "meta-llama/Llama-3.1-8B-Instruct"}


def test_v0_counts_blocks() -> None:
    log = started(V06.splitlines()).log
    assert log.values["weights_gib"] == 14.99
    assert log.values["total_gib"] == 79.11
    assert log.values["available_kv_gib"] == 54.62
    assert log.kv_cache_tokens == 27906 * 16
    assert not log.ready


def test_of_many_workers_the_fullest_counts() -> None:
    log = started(V011.splitlines()).log
    assert log.values["weights_gib"] == 33.91
    assert log.values["available_kv_gib"] == 37.20
    assert log.kv_cache_tokens == 244_304
    assert log.values["max_concurrency"] == 29.82


def test_progress_bars_show_their_last_state() -> None:
    log = StartupLog()
    bar = "Loading safetensors checkpoint shards:  25% Completed | 1/4 [00:01\rLoading safetensors checkpoint shards:"
    assert log.feed(bar + "  50% Completed | 2/4 [00:02") == "load"
    assert (log.values["shards_done"], log.values["shards_total"]) == (2, 4)


def test_stages_never_go_back() -> None:
    log = started(V031.splitlines()).log
    log.feed("Model loading took 1.0 GiB memory and 1 seconds")
    assert log.ready


@pytest.mark.parametrize("text", ["{'model': __import__('os')}", "{" * 5000, "{1", "[]", "{'a': " + "9" * 9999 + "}"])
def test_arguments_are_data_and_never_code(text: str) -> None:
    log = StartupLog(values={"arguments": text})
    assert isinstance(log.arguments, dict)
    assert "model" not in log.arguments


@given(st.text())
def test_any_line_is_harmless(line: str) -> None:
    log = StartupLog()
    log.feed(line)
    assert "\x1b" not in clean_line(line)


def test_a_line_without_end_is_cut() -> None:
    assert len(clean_line("x" * (10 * LINE_LIMIT))) == LINE_LIMIT


HUGE = ("9" * 400, "9" * 400 + ".5", "9" * 5000, str(1 << 53))


@pytest.mark.parametrize("huge", HUGE, ids=("whole", "broken", "too long for Python", "not exact"))
def test_a_figure_that_no_server_prints_is_left_out(huge: str) -> None:
    for version, line, _ in FORMATS:
        spoilt = re.sub(r"(?<![\w.])\d[\d,.]*\d", huge, line)
        values = started([spoilt]).log.values
        assert all(isinstance(value, str) or abs(value) < 1 << 53 for value in values.values()), version
    assert started([f"GPU KV cache size: {huge} tokens"]).log.kv_cache_tokens is None
    assert started([f"Available KV cache memory: -{huge} GiB"]).log.values == {}


@pytest.mark.parametrize(
    ("values", "tokens"),
    [
        ({"kv_cache_tokens": int("9" * 400)}, None),
        ({"kv_cache_tokens": math.inf}, None),
        ({"kv_cache_tokens": math.nan}, None),
        ({"kv_cache_tokens": 1 << 53, "num_gpu_blocks": 100}, 1600),
        ({"num_gpu_blocks": 1 << 52}, None),
        ({"num_gpu_blocks": 100, "block_size": int("9" * 400)}, None),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': " + "9" * 400 + "}"}, None),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': 1e400}"}, None),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': 'x'}"}, None),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': [1]}"}, None),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': 32}"}, 3200),
        ({"num_gpu_blocks": 100, "arguments": "{'block_size': None}", "block_size": 64}, 6400),
    ],
)
def test_the_size_of_the_cache_is_a_number_or_none(values: dict[str, Any], tokens: int | None) -> None:
    assert StartupLog(values=values).kv_cache_tokens == tokens
