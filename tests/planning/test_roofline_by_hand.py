"""The roofline with round constants, worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.test_roofline import h100
from wizard_tui.hardware.gpu import GPU
from wizard_tui.planning.roofline import Load, Roofline, Traffic

# constants that make arithmetic by hand short; no two that could stand for one another are equal
ROUND = {
    "bandwidth": {"hbm": 0.5, "gddr": 0.25, "amd": 0.125},
    "power_cap": {"bandwidth": 1.0, "compute": 2.0},
    "four_bit_weights": 0.4,
    "expert_weights": 0.2,
    "kv_read": 0.25,
    "prefill": {"volta": 0.1, "ampere": 0.2, "hopper": 0.5, "blackwell": 0.3, "gddr": 0.6, "amd": 0.7},
    "attention": 0.25,
    "decode_compute": 0.8,
    "moe_prefill": 0.1,
    "moe_decode": 0.05,
    "native_low_precision": 0.75,
    "weight_only": 0.9,
    "moe_layer_us": 7.0,
    "engine": {
        "v1": {"layer_us": 10.0, "step_us": 100.0, "sequence_us": 1.0, "request_us": 1000.0, "first_token_us": 2000.0},
        "early_v1": {
            "layer_us": 20.0, "step_us": 200.0, "sequence_us": 2.0, "request_us": 3000.0, "first_token_us": 4000.0,
        },
        "v0": {"layer_us": 30.0, "step_us": 300.0, "sequence_us": 3.0, "request_us": 5000.0, "first_token_us": 6000.0},
    },
    "all_reduce_us": {"nvlink": 10.0, "amd": 40.0, "p2p": 20.0, "geforce": 30.0},
    "link": {"nvlink": 0.5, "amd": 0.1, "p2p": 0.25, "geforce": 0.125},
    "prefill_mix": 2.0,
    "first_wave": 0.1,
    "crowd": 0.2,
    "fallback": {"tflops": 100, "bandwidth_gb_s": 900, "link_gb_s": 25},
}  # fmt: skip
CARD = GPU(
    name="a round card",
    total_bytes=80 << 30,
    compute_capability=(9, 0),
    bandwidth_gb_s=4000,
    tflops=(("bf16", 1000), ("fp8", 2000)),
    link_gb_s=100,
    interconnect="nvlink",
)
SMALL = Load(
    dense_bytes=10e9,
    expert_bytes=0,
    num_experts=0,
    experts_per_token=0,
    active_params=4e9,
    layers=10,
    attention_layers=5,
    moe_layers=0,
    hidden_size=1000,
    query_dim=2000,
    kv_bytes_per_token=1000,
    kv_bytes_per_request=1e6,
)
MIXTURE = replace(SMALL, expert_bytes=40e9, num_experts=2, experts_per_token=1, moe_layers=5)
MS, US = 1e-3, 1e-6


def by_hand(load: Load = SMALL, gpu: GPU = CARD, link: str = "unknown", version: str | None = None) -> Roofline:
    return Roofline(load, gpu, link, version, fitted=ROUND)


def test_reading_by_hand() -> None:
    # 10 GB at half of 4 TB/s; then 4 sequences of 1000 tokens x 1 kB and 1 MB each at a quarter of it
    assert by_hand().memory_s(4, 1000) == pytest.approx(5 * MS + 8 * US)
    # one token touches half of the experts, two on average three quarters; they are read at a fifth of the rate
    assert by_hand(MIXTURE).memory_s(1, 0) == pytest.approx(5 * MS + 20e9 / (2e12 * 0.2) + 1 * US)
    assert by_hand(MIXTURE).memory_s(2, 0) == pytest.approx(5 * MS + 30e9 / (2e12 * 0.2) + 2 * US)
    assert by_hand(replace(SMALL, weight_bits=4)).memory_s(0, 0) == pytest.approx(5 * MS / 0.4)
    assert by_hand(replace(SMALL, weight_bits=8)).memory_s(0, 0) == pytest.approx(5 * MS)


@pytest.mark.parametrize(
    ("changed", "load", "flops"),
    [
        ({}, {}, 1000e12),
        ({}, {"weight_bits": 8}, 0.9 * 1000e12),
        ({}, {"weight_bits": 9}, 1000e12),
        ({}, {"weight_bits": 8, "arithmetic": "fp8"}, 0.75 * 2000e12),
        # no such arithmetic on this card
        ({}, {"weight_bits": 4, "arithmetic": "fp4"}, 0.9 * 1000e12),
        ({"tflops": (("fp16", 500),)}, {}, 500e12),
        ({"tflops": ()}, {}, 100e12),
    ],
)
def test_arithmetic_by_hand(changed: dict[str, Any], load: dict[str, Any], flops: float) -> None:
    found = by_hand(replace(SMALL, **load), replace(CARD, **changed))
    # two operations for each of 4 billion parameters and token
    assert found.compute_s(4) == pytest.approx(2 * 4 * 4e9 / (0.8 * flops))
    experts = by_hand(replace(MIXTURE, **load), replace(CARD, **changed))
    assert experts.compute_s(4) == pytest.approx(2 * 4 * 4e9 / (0.8 * 0.05 * flops))


def test_a_step_by_hand() -> None:
    memory, compute = 5 * MS + 8 * US, 2 * 4 * 4e9 / 800e12
    roof = (memory**3 + compute**3) ** (1 / 3)
    overhead = 10 * 10 * US + 100 * US + 4 * US
    assert by_hand().step_s(4, 1000) == pytest.approx(roof + overhead)
    assert by_hand(replace(SMALL, pp=3)).step_s(4, 1000) == pytest.approx(3 * roof + overhead)
    assert by_hand(version="0.9.0").step_s(4, 1000) == pytest.approx(roof + 10 * 20 * US + 200 * US + 4 * 2 * US)
    assert by_hand(version="0.7.0").step_s(4, 1000) == pytest.approx(roof + 10 * 30 * US + 300 * US + 4 * 3 * US)
    # five layers with experts launch more
    plain, experts = by_hand(replace(MIXTURE, moe_layers=0)), by_hand(MIXTURE)
    assert experts.step_s(4, 1000) - plain.step_s(4, 1000) == pytest.approx(5 * 7 * US)


@pytest.mark.parametrize(
    ("changed", "link", "latency_us", "bytes_per_s"),
    [
        ({}, "unknown", 10, 100e9 * 0.5),
        ({"interconnect": "pcie"}, "unknown", 20, 100e9 * 0.25),
        ({}, "pcie", 20, 100e9 * 0.25),
        ({"interconnect": "pcie", "kind": "geforce"}, "unknown", 30, 100e9 * 0.125),
        ({"interconnect": "pcie"}, "nvlink", 10, 100e9 * 0.5),
        ({"vendor": "amd"}, "pcie", 40, 100e9 * 0.1),
        ({"link_gb_s": None}, "unknown", 10, 25e9 * 0.5),
    ],
)
def test_all_reduce_by_hand(changed: dict[str, Any], link: str, latency_us: float, bytes_per_s: float) -> None:
    card = replace(CARD, **changed)
    four = by_hand(replace(SMALL, tp=4), card, link)
    # twice a layer, and of 3 tokens x 1000 values of 2 bytes each GPU sends 2 x 3/4
    one = latency_us * US + 2 * 3 / 4 * 3 * 1000 * 2 / bytes_per_s
    alone = by_hand(SMALL, card, link)
    assert four.step_s(3, 10) - alone.step_s(3, 10) == pytest.approx(2 * 10 * one)


def test_a_prompt_by_hand() -> None:
    # 2 x 1000 tokens x 4 billion at 500 TFLOP/s; 5 layers of 2000 wide over 1000 x 1000 at 250; 1 ms a request
    products, attention = 16 * MS, 2 * 1000 * 1000 * 2000 * 5 / 250e12
    assert by_hand().prefill_s(1000) == pytest.approx(products + attention + 1 * MS)
    assert by_hand(replace(SMALL, pp=2)).prefill_s(1000) == pytest.approx(2 * (products + attention) + 1 * MS)
    # 600 of them fresh, which look at all 1000 and at 400 more of the square
    partly = 0.6 * products + 2 * 600 * 1400 * 2000 * 5 / 250e12
    assert by_hand().prefill_s(1000, 400) == pytest.approx(partly + 1 * MS)
    # at least one token is fresh
    last = 2 * 4e9 / 500e12 + 2 * 1 * 2000 * 2000 * 5 / 250e12
    assert by_hand().prefill_s(1000, 1000) == pytest.approx(last + 1 * MS)
    # half of the heads on each of two GPUs
    two = by_hand(replace(SMALL, tp=2)).prefill_s(1000)
    reduce = 2 * 10 * (10 * US + 1000 * 1000 * 2 / 50e9)
    assert two == pytest.approx(products + attention / 2 + reduce + 1 * MS)
    assert by_hand(MIXTURE).prefill_s(1000) == pytest.approx(products / 0.1 + attention + 1 * MS)
    assert by_hand(version="0.9.0").prefill_s(1000) == pytest.approx(products + attention + 3 * MS)


@pytest.mark.parametrize(
    ("changed", "prefill", "bandwidth"),
    [
        ({}, 0.5, 0.5),
        ({"compute_capability": (8, 0)}, 0.2, 0.5),
        ({"compute_capability": (8, 9)}, 0.6, 0.25),
        ({"compute_capability": (12, 0)}, 0.6, 0.25),
        ({"compute_capability": (10, 0)}, 0.3, 0.5),
        ({"compute_capability": (7, 0)}, 0.1, 0.5),
        ({"compute_capability": (7, 5)}, 0.1, 0.25),
        ({"compute_capability": None}, 0.2, 0.5),
        ({"vendor": "amd"}, 0.7, 0.125),
    ],
)
def test_shares_by_chip(changed: dict[str, Any], prefill: float, bandwidth: float) -> None:
    found = by_hand(replace(SMALL, query_dim=0), replace(CARD, **changed))
    assert found.prefill_s(1000) == pytest.approx(8 * MS / prefill + 1 * MS)
    assert found.memory_s(0, 0) == pytest.approx(10e9 / (4e12 * bandwidth))
    slow = by_hand(SMALL, replace(CARD, bandwidth_gb_s=None))
    assert slow.memory_s(0, 0) == pytest.approx(10e9 / (900e9 * 0.5))


def test_a_lowered_power_limit_by_hand() -> None:
    """An H100 has 700 W: at half of that it reads at half the rate (exponent 1) and computes at a quarter (2)."""
    whole = replace(CARD, name=h100().name)
    half = replace(whole, power_limit_w=350)
    assert by_hand(SMALL, half).memory_s(1, 0) - 1 * US / 0.5 == pytest.approx(10 * MS)
    assert by_hand(SMALL, half).compute_s(1) == pytest.approx(4 * by_hand(SMALL, whole).compute_s(1))
    fast, slow = (by_hand(replace(SMALL, active_params=0), card).prefill_s(1000) - 1 * MS for card in (whole, half))
    assert slow == pytest.approx(4 * fast)
    # a limit above the board's power changes nothing, nor does any limit when the board's power is unknown
    assert by_hand(SMALL, replace(whole, power_limit_w=1400)).compute_s(1) == by_hand(SMALL, whole).compute_s(1)
    assert by_hand(SMALL, replace(CARD, power_limit_w=1)).compute_s(1) == by_hand().compute_s(1)


LOOP = Traffic(prompt_tokens=1000, gen_tokens=100, concurrency=8, max_num_seqs=256, kv_tokens=1e9, replicas=2)


def test_a_closed_loop_by_hand() -> None:
    """Eight clients on two replicas: four each run at once."""
    prefill, step = by_hand().prefill_s(1000), by_hand().step_s(4, 1000 + 50)
    cycle = 4 * prefill * 2 + 100 * step
    point = by_hand().at(LOOP)
    assert point.decode_toks_per_s == pytest.approx(2 * 4 * 100 / cycle)
    assert point.tpot_ms * MS == pytest.approx(step + 3 * prefill * 2 / 100)
    crowd = 3 * prefill * (0.1 + 0.2 * 4 * prefill * 2 / cycle)
    assert point.ttft_ms * MS == pytest.approx(prefill + step + 2 * MS + crowd)
    assert not point.queued
    # a prompt in four chunks waits for four steps
    chunked = by_hand().at(replace(LOOP, max_num_batched_tokens=300))
    assert (chunked.ttft_ms - point.ttft_ms) * MS == pytest.approx(3 * step)
    assert by_hand().at(replace(LOOP, max_num_batched_tokens=1000)) == point


def test_one_client_by_hand() -> None:
    prefill, step = by_hand().prefill_s(1000), by_hand().step_s(1, 1050)
    point = by_hand().at(replace(LOOP, concurrency=1))
    # the other replica has nothing to do
    assert point.decode_toks_per_s == pytest.approx(100 / (2 * prefill + 100 * step))
    assert point.tpot_ms * MS == pytest.approx(step)
    assert point.ttft_ms * MS == pytest.approx(prefill + step + 2 * MS)
    # an empty answer counts as one token
    assert by_hand().at(replace(LOOP, gen_tokens=0)) == by_hand().at(replace(LOOP, gen_tokens=1))


def test_waiting_for_room_by_hand() -> None:
    """A cache of 2120 tokens holds two requests of 1000 + 0.6 x 100: two of four wait for a whole round."""
    narrow = replace(LOOP, kv_tokens=2120)
    assert narrow.room == 2
    prefill, step = by_hand().prefill_s(1000), by_hand().step_s(2, 1050)
    cycle = 2 * prefill * 2 + 100 * step
    point = by_hand().at(narrow)
    crowd = prefill * (0.1 + 0.2 * 2 * prefill * 2 / cycle)
    assert point.ttft_ms * MS == pytest.approx(prefill + step + 2 * MS + crowd + cycle)
    assert point.decode_toks_per_s == pytest.approx(2 * 2 * 100 / cycle)
    assert point.queued
    assert not by_hand().at(replace(narrow, concurrency=4)).queued


@pytest.mark.parametrize(
    ("changed", "room"),
    [({}, 256), ({"max_num_seqs": 3}, 3), ({"kv_tokens": 10}, 1), ({"kv_tokens": 3180.0}, 3)],
)
def test_room(changed: dict[str, Any], room: float) -> None:
    assert replace(LOOP, **changed).room == room
    assert replace(LOOP, prompt_tokens=0, gen_tokens=0, kv_tokens=7).room == 7


def test_a_prefix_that_is_shared_by_hand() -> None:
    point = by_hand().at(replace(LOOP, concurrency=1, shared_prefix_tokens=400, max_num_batched_tokens=300))
    prefill, step = by_hand().prefill_s(1000, 400), by_hand().step_s(1, 1050)
    assert point.ttft_ms * MS == pytest.approx(prefill + 2 * step + 2 * MS)
    # the last token of a prompt is always read
    whole = by_hand().at(replace(LOOP, concurrency=1, shared_prefix_tokens=5000))
    assert whole.ttft_ms * MS == pytest.approx(by_hand().prefill_s(1000, 999) + step + 2 * MS)


@pytest.mark.parametrize(("version", "step_us"), [("0.7.9", 300), ("0.8.0", 200), ("0.11.9", 200), ("0.12.0", 100)])
def test_engines_change_at_their_version(version: str, step_us: float) -> None:
    bare = replace(SMALL, layers=0, dense_bytes=0, active_params=0, kv_bytes_per_token=0, kv_bytes_per_request=0)
    assert by_hand(bare, version=version).step_s(0, 0) == pytest.approx(step_us * US)
