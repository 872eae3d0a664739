"""A log as a request, and figures beside their predictions."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.launch.conftest import planned, started
from tests.planning.conftest import facts, request
from tests.planning.moved import MOVED
from wizard_tui.launch.client import Answer, LoadResult
from wizard_tui.launch.verify import compare, compare_answer, compare_speed, request_from_log, streamed
from wizard_tui.planning.decide import decide
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.fields import RequestField, marked
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.markers import MovesMemory

GIB = 1 << 30


def logged(arguments: dict[str, Any], *lines: str) -> PlanRequest:
    """The request of a server that printed these arguments."""
    return request_from_log(started([f"non-default args: {arguments!r}", *lines]).log)


@pytest.mark.parametrize(
    ("arguments", "section", "field", "value"),
    [
        ({"tensor_parallel_size": 2}, "hardware", "tensor_parallel_size", 2),
        ({"tensor_parallel_size": 2, "data_parallel_size": 2}, "hardware", "gpus", 4),
        ({"max_model_len": 4096}, "model", "max_model_len", 4096),
        ({"max_model_len": -1}, "model", "max_model_len", None),
        ({"kv_cache_dtype": "fp8"}, "model", "kv_cache_dtype", "fp8"),
        ({"gpu_memory_utilization": 0.8}, "policy", "gpu_memory_utilization", 0.8),
        ({"enable_prefix_caching": False}, "policy", "enable_prefix_caching", False),
        ({"speculative_config": {"method": "mtp", "num_speculative_tokens": 2}}, "policy", "speculative_tokens", 2),
        (
            {"speculative_config": {"method": "deepseek_mtp", "num_speculative_tokens": 1}},
            "policy", "speculative_tokens", 1,
        ),
        # a draft model of its own is not part of the checkpoint's layers
        ({"speculative_config": {"model": "x/y", "num_speculative_tokens": 5}}, "policy", "speculative_tokens", None),
        ({"compilation_config": {"max_cudagraph_capture_size": 64}}, "policy", "max_cudagraph_capture_size", 64),
        ({"enable_lora": True}, "policy", "max_loras", 1),
        ({"enable_lora": True, "max_loras": 4}, "policy", "max_loras", 4),
        ({"performance_mode": "interactivity"}, "workload", "batching_mode", "latency"),
        ({"performance_mode": "throughput"}, "workload", "batching_mode", "throughput"),
        ({}, "workload", "batching_mode", "balanced"),
    ],
)  # fmt: skip
def test_an_argument_of_the_server_is_a_field(arguments: dict[str, Any], section: str, field: str, value: Any) -> None:
    asked = logged({"model": "a/b", **arguments})
    assert getattr(getattr(asked, section), field) == value


@pytest.mark.parametrize("field", marked(MovesMemory), ids=lambda field: field.path)
def test_arguments_that_change_memory_use_are_read_from_the_log(field: RequestField) -> None:
    moved = MOVED[field.path]
    asked = request_from_log(started([moved.line(field)]).log, {"model": {"model": "a/b"}})
    assert field.value_in(asked) == moved.value


def test_a_value_the_server_resolved_wins_over_the_one_asked_for() -> None:
    asked = logged(
        {"model": "a/b", "max_model_len": -1},
        "Using max model len 131072",
        "Auto-fit max_model_len: reduced from 131072 to 40960 to fit in",
        "Chunked prefill is enabled with max_num_batched_tokens=8192.",
        "vLLM server version 0.31.0, serving model a/b",
        "Free memory on device (78.84/79.25 GiB) on startup. Desired GPU memory utilization is (0.9, 71.33 GiB)",
    )
    assert asked.model.max_model_len == 40960
    assert asked.policy.max_num_batched_tokens == 8192
    assert (asked.policy.vllm_version, asked.policy.gpu_memory_utilization) == ("0.31.0", 0.9)
    assert asked.hardware.vram_gb == 79.25


def test_options_win_over_the_log_and_the_log_over_the_file() -> None:
    log = started(["non-default args: {'model': 'a/b', 'max_model_len': 4096, 'dtype': 'float16'}"]).log
    base = {"model": {"model": "c/d", "max_model_len": 100, "dtype": "bfloat16"}, "hardware": {"gpu": "H100"}}
    asked = request_from_log(log, base, {"model": {"max_model_len": 2048}})
    assert (asked.model.model, asked.model.max_model_len, asked.model.dtype) == ("a/b", 2048, "float16")
    assert asked.hardware.gpu == "H100"


def test_a_log_without_a_model_and_one_with_nonsense() -> None:
    with pytest.raises(ValueError, match="does not name its model"):
        request_from_log(started(["nothing"]).log)
    with pytest.raises(ValidationError):
        logged({"model": "a/b", "max_num_seqs": "many"})


def test_figures_stand_beside_their_bands() -> None:
    response, _ = planned(8000)
    memory, cache = response.memory, response.kv_cache
    log = started(
        [
            f"Model loading took {memory.weights / GIB:.2f} GiB memory and 2.7 seconds",
            f"Available KV cache memory: {memory.kv_available / GIB - 9:.2f} GiB",
            f"GPU KV cache size: {cache.tokens:,} tokens",
            f"Maximum concurrency for 8,192 tokens per request: {cache.max_concurrency:.2f}x",
            f"CUDA graph pool memory: 0.23 GiB (actual), {1.2 * memory.cuda_graphs / GIB:.2f} GiB (estimated)",
        ]
    ).log
    rows = {row.name: row for row in compare(response, log)}
    assert [row.unit for row in rows.values()] == ["GiB", "GiB", "GiB", "tokens", "x"]
    assert [name for name, row in rows.items() if not row.inside] == ["Available KV cache memory"]
    assert rows["Available KV cache memory"].difference == pytest.approx(-9, abs=0.01)
    assert rows["CUDA graphs, estimated"].relative == pytest.approx(0.2, abs=0.02)


def test_graphs_that_are_not_charged_are_not_compared() -> None:
    old = plan(request(policy={"vllm_version": "0.19.0"}), facts())
    log = started(["Estimated CUDA graph memory: 0.79 GiB total", "Available KV cache memory: 5.00 GiB"]).log
    assert [row.name for row in compare(old, log)] == ["Available KV cache memory"]


def test_a_reservation_of_exact_bytes_is_met_in_spite_of_rounding() -> None:
    response = plan(request(policy={"kv_cache_memory_bytes": 1_234_567_890}), facts())
    log = started(
        ["Initial free memory 70.0 GiB, reserved 1.15 GiB memory for KV Cache as specified by kv_cache_memory_bytes"]
    ).log
    (row,) = compare(response, log)
    assert row.inside
    assert row.low < row.predicted < row.high


def test_a_load_run_stands_beside_the_plan() -> None:
    response, _ = planned(8000)
    (low, high), (ttft, _), (_, tpot) = (
        response.performance.decode_toks_per_s_range,
        response.performance.ttft_ms_range,
        response.performance.tpot_ms_range,
    )
    result = LoadResult(2, 40, 8, 8, toks_per_s=(low + high) / 2, ttft_ms=ttft / 2, tpot_ms=2 * tpot)
    rows = compare_speed(result, response.performance)
    assert [(row.name, row.inside) for row in rows] == [
        ("Output of all users", True), ("TTFT", False), ("TPOT", False)
    ]  # fmt: skip
    assert low < rows[0].predicted < high


def test_one_answer_is_held_against_one_request_of_its_size() -> None:
    many = decide(request(workload={"concurrency": 64, "prompt_tokens": 4000, "gen_tokens": 500}), facts())
    alone = decide(request(workload={"concurrency": 1, "prompt_tokens": 12, "gen_tokens": 20}), facts())
    answer = Answer("hello", prompt_tokens=12, tokens=20, ttft_ms=30.0, total_ms=220.0)
    rows = compare_answer(answer, many)
    assert [row.name for row in rows] == ["TTFT", "Output of one user"]
    assert rows[1].actual == pytest.approx(100.0)
    again = compare_answer(answer, alone)
    # the two plans differ only in settings that do not change one request's speed
    assert rows[0].predicted == pytest.approx(again[0].predicted, rel=0.02)
    assert rows[1].predicted == pytest.approx(again[1].predicted, rel=0.02)
    assert [row.name for row in compare_answer(Answer("x", 12, 1, 30.0, 30.0), many)] == ["TTFT"]


def test_a_load_run_is_held_against_streamed_answers_and_the_smoke_test_against_what_users_see() -> None:
    whole, seen = (decide(request(workload={"gen_tokens": 20, "streaming": on}), facts()) for on in (False, True))
    assert streamed(whole) == streamed(seen) == plan(seen.request, seen.facts).performance
    answer = Answer("hello", prompt_tokens=12, tokens=20, ttft_ms=200.0, total_ms=200.0)
    (row,) = compare_answer(answer, whole)
    assert row.predicted > 3 * compare_answer(answer, seen)[0].predicted


def test_a_measured_run_keeps_its_size_when_one_answer_is_compared() -> None:
    """Left open, its size is the planned one; taken for the answer's, it would correct the wrong point."""
    measured = {"concurrency": 64, "prompt_tokens": 4000, "gen_tokens": 500, "measured_tpot_ms": 100.0}
    answer = Answer("hello", prompt_tokens=12, tokens=20, ttft_ms=30.0, total_ms=220.0)
    stated = {"measured_concurrency": 64, "measured_prompt_tokens": 4000, "measured_gen_tokens": 500}
    left_open = compare_answer(answer, decide(request(workload=measured), facts()))
    said = compare_answer(answer, decide(request(workload={**measured, **stated}), facts()))
    assert [row.predicted for row in left_open] == [row.predicted for row in said]
