"""Start-up logs of many versions. The lines are vLLM's own formats; the figures are from public logs, named beside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.launch.startup_log import LINE_LIMIT, StartupLog, clean_line, read_startup_log

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


def test_031_from_start_to_ready() -> None:
    log = read_startup_log(V031.splitlines())
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
    log = read_startup_log(V06.splitlines())
    assert log.values["weights_gib"] == 14.99
    assert log.values["total_gib"] == 79.11
    assert log.values["available_kv_gib"] == 54.62
    assert log.kv_cache_tokens == 27906 * 16
    assert not log.ready


def test_of_many_workers_the_fullest_counts() -> None:
    log = read_startup_log(V011.splitlines())
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
    log = read_startup_log(V031.splitlines())
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
