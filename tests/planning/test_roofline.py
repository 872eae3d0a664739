"""The roofline against arithmetic done by hand and against what must hold on any GPU."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.roofline import Load, Roofline, Traffic, constants

LLAMA_8B = Load(
    dense_bytes=15e9,
    expert_bytes=0,
    num_experts=0,
    experts_per_token=0,
    active_params=7.5e9,
    layers=32,
    attention_layers=32,
    moe_layers=0,
    hidden_size=4096,
    query_dim=4096,
    kv_bytes_per_token=131072,
)
# Qwen3-30B-A3B: 128 experts, 8 of them for a token
QWEN3_30B_A3B = replace(
    LLAMA_8B,
    dense_bytes=2.4e9,
    expert_bytes=58e9,
    num_experts=128,
    experts_per_token=8,
    active_params=3e9,
    moe_layers=48,
    layers=48,
    attention_layers=48,
)
CHAT = Traffic(prompt_tokens=1024, gen_tokens=256, concurrency=16, max_num_seqs=256, kv_tokens=400_000)


def h100() -> GPU:
    return get_gpu_by_name("H100 80GB")


def test_a_single_step_reads_the_weights_once() -> None:
    measured = Roofline(LLAMA_8B, h100())
    share = constants()["bandwidth"]["hbm"]
    assert measured.memory_s(1, 0) == pytest.approx(15e9 / (3350e9 * share))
    # nothing of a decode step for one user is bound by compute
    assert measured.compute_s(1) < 0.1 * measured.memory_s(1, 0)


@pytest.mark.parametrize(
    ("tokens", "experts"),
    [(1, 8.0), (2, 15.5), (16, 128 * (1 - (15 / 16) ** 16)), (100_000, 128.0)],
)
def test_experts_read_in_a_step(tokens: int, experts: float) -> None:
    read = QWEN3_30B_A3B.touched_bytes(tokens) - QWEN3_30B_A3B.dense_bytes
    assert read == pytest.approx(58e9 * experts / 128)


@pytest.mark.parametrize(
    ("name", "chip"),
    [
        ("L4", "gddr"),
        ("A10G", "gddr"),
        ("L40S", "gddr"),
        ("A40", "gddr"),
        ("RTX 4090", "gddr"),
        ("RTX PRO 6000 Blackwell Server Edition", "gddr"),
        ("GB10", "gddr"),
        ("T4", "volta"),
        ("V100S", "volta"),
        ("A30", "ampere"),
        ("A100-80GB-SXM", "ampere"),
        ("H20", "hopper"),
        ("B300", "blackwell"),
        ("MI300X", "amd"),
    ],
)
def test_chips(name: str, chip: str) -> None:
    assert get_gpu_by_name(name).generation.chip == chip


@pytest.mark.parametrize(("name", "memory"), [("L40S", "gddr"), ("T4", "gddr"), ("V100S", "hbm"), ("A30", "hbm")])
def test_a_datacenter_card_may_have_gddr(name: str, memory: str) -> None:
    gpu = get_gpu_by_name(name)
    assert gpu.generation.memory == memory
    read = Roofline(LLAMA_8B, gpu).memory_s(1, 0)
    assert gpu.bandwidth_gb_s
    assert read == pytest.approx(15 / (gpu.bandwidth_gb_s * constants()["bandwidth"][memory]))


@pytest.mark.parametrize(
    ("gpu", "arithmetic", "gains"),
    [
        ("H100 80GB", "fp8", True),
        ("A100-80GB-SXM", "fp8", False),
        ("A100-80GB-SXM", "int8", True),
        ("H200", "fp4", False),
    ],
)
def test_low_precision_pays_only_where_the_chip_has_it(gpu: str, arithmetic: str, gains: bool) -> None:
    quantised = replace(LLAMA_8B, dense_bytes=7.5e9, weight_bits=8, arithmetic=arithmetic)
    card = get_gpu_by_name(gpu)
    faster = Roofline(quantised, card).prefill_s(8192) < Roofline(LLAMA_8B, card).prefill_s(8192)
    assert faster is gains


def test_a_lowered_power_limit_slows_both_roofs() -> None:
    card = get_gpu_by_name("RTX 3090")
    assert card.power_limit_w == 350
    full, capped = Roofline(LLAMA_8B, card), Roofline(LLAMA_8B, replace(card, power_limit_w=220.0))
    raised = Roofline(LLAMA_8B, replace(card, power_limit_w=450.0))
    share = constants()["power_cap"]
    assert capped.memory_s(1, 0) / full.memory_s(1, 0) == pytest.approx((350 / 220) ** share["bandwidth"])
    assert capped.compute_s(1) / full.compute_s(1) == pytest.approx((350 / 220) ** share["compute"])
    assert raised.step_s(1, 0) == full.step_s(1, 0)


def test_links_decide_what_tensor_parallelism_costs() -> None:
    half = replace(LLAMA_8B, dense_bytes=7.5e9, active_params=3.75e9, tp=2)
    linked, switched = Roofline(half, h100(), "nvlink"), Roofline(half, h100(), "pcie")
    alone = Roofline(LLAMA_8B, h100())
    assert linked.prefill_s(8192) < switched.prefill_s(8192)
    assert linked.step_s(1, 1024) < alone.step_s(1, 1024)


@given(
    st.sampled_from([gpu for gpu in all_gpus() if not gpu.platform.problem]),
    st.sampled_from([LLAMA_8B, QWEN3_30B_A3B]),
    st.integers(1, 500),
    st.integers(1, 100_000),
    st.integers(1, 8000),
)
def test_more_clients_are_never_faster_each_and_never_slower_together(
    gpu: GPU, load: Load, clients: int, prompt: int, answer: int
) -> None:
    line = Roofline(load, gpu)
    traffic = replace(CHAT, prompt_tokens=prompt, gen_tokens=answer, concurrency=clients)
    one, more = line.at(traffic), line.at(replace(traffic, concurrency=clients + 1))
    assert more.ttft_ms >= one.ttft_ms * (1 - 1e-9)
    assert more.tpot_ms >= one.tpot_ms * (1 - 1e-9)
    assert more.decode_toks_per_s >= one.decode_toks_per_s * (1 - 1e-9)
    assert all(math.isfinite(value) and value > 0 for value in (one.ttft_ms, one.tpot_ms, one.decode_toks_per_s))


def test_clients_without_room_wait() -> None:
    line = Roofline(LLAMA_8B, h100())
    tight = replace(CHAT, kv_tokens=4 * (1024 + 0.6 * 256), concurrency=4)
    at_once, queued = line.at(tight), line.at(replace(tight, concurrency=8))
    assert not at_once.queued
    assert queued.queued
    assert queued.decode_toks_per_s == pytest.approx(at_once.decode_toks_per_s)
    assert queued.ttft_ms > 10 * at_once.ttft_ms


def test_replicas_share_the_clients() -> None:
    line = Roofline(LLAMA_8B, h100())
    one = line.at(replace(CHAT, concurrency=8))
    two = line.at(replace(CHAT, concurrency=16, replicas=2))
    assert two.decode_toks_per_s == pytest.approx(2 * one.decode_toks_per_s)
    assert two.tpot_ms == pytest.approx(one.tpot_ms)


def test_a_shared_prefix_is_not_read_again() -> None:
    line = Roofline(LLAMA_8B, h100())
    assert line.at(replace(CHAT, shared_prefix_tokens=900)).ttft_ms < 0.7 * line.at(CHAT).ttft_ms


def test_a_prompt_in_chunks_waits_for_the_steps_of_the_others() -> None:
    line = Roofline(LLAMA_8B, h100())
    whole = replace(CHAT, prompt_tokens=8192)
    chunked = replace(whole, max_num_batched_tokens=2048)
    step_ms = 1e3 * line.step_s(16, 8192 + 128)
    assert line.at(chunked).ttft_ms - line.at(whole).ttft_ms == pytest.approx(3 * step_ms)
