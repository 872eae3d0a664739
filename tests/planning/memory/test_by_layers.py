"""KV cache arithmetic against answers computed by vLLM's own functions, and what must hold for any mix of layers.

tests/data/kv_cases.jsonl: facts computed by vLLM 0.33.0's `v1/core/kv_cache_planning.py` and
`v1/core/kv_cache_utils.py:get_kv_cache_capacity` on hand-made layers; page and block figures are bytes and tokens.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.planning.memory.by_layers import plan_kv_cache

CASES = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "kv_cases.jsonl").read_text().splitlines()]
KINDS = {
    "FullAttentionSpec": "full",
    "SlidingWindowSpec": "sliding",
    "MLAAttentionSpec": "mla",
    "MambaSpec": "mamba",
    "CrossAttentionSpec": "cross",
    "ChunkedLocalAttentionSpec": "chunked",
    "UniformTypeKVCacheSpecs": "uniform",
}
GIB = 2**30


def layer(text: str) -> dict[str, Any]:
    """`12 full 8x64 bf16 block 16` or `36 mamba state 3x8192 bf16; 32x128x128 bf16 every 544 page 1114112`."""
    if " mamba state " in text:
        count, rest = text.split(" mamba state ")
        states, tail = rest.split(" every ")
        every, *pairs = tail.split()
        extra = dict(zip(pairs[::2], map(int, pairs[1::2]), strict=True))
        shapes, dtypes = zip(*(state.split() for state in states.split("; ")), strict=True)
        return {
            "type": "mamba",
            "count": int(count),
            "block_size": int(every),
            "shapes": [[int(n) for n in shape.split("x")] for shape in shapes],
            "dtypes": list(dtypes),
            "page_size_padded": extra["page"],
            "num_speculative_blocks": extra.get("spec", 0),
            "num_prefill_checkpoint_blocks": extra.get("checkpoint", 0),
        }
    count, kind, heads, dtype, *pairs = text.split()
    extra = dict(zip(pairs[::2], map(int, pairs[1::2]), strict=True))
    row: dict[str, Any] = {"type": kind, "count": int(count), "dtype": dtype, "block_size": extra.pop("block")}
    row["num_kv_heads"], row["head_size"] = (int(n) for n in heads.split("x"))
    if "packed" in extra:
        row["state_content_bytes"] = extra.pop("packed")
    return {**row, **extra}


def case_input(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "layers": [layer(text) for text in case["layers"]],
        "max_model_len": case["length"],
        "max_in_flight_tokens": case["in_flight"],
        "available_kv_bytes": case["available"],
        "hybrid_manager": case.get("hybrid_manager", True),
        "mamba_cache_mode": case.get("mamba", "none"),
        "dcp": case.get("dcp", 1),
        "max_num_encoder_input_tokens": case.get("encoder", 8192),
    }


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_equals_vllm(case: dict[str, Any]) -> None:
    plan = plan_kv_cache(case_input(case))
    said = {
        "groups": [
            f"{g['layers']} {KINDS[g['spec']]} block {g['block_size']} page {g['page_size_bytes']}"
            for g in plan["groups"]
        ],
        "bytes_per_block": plan["bytes_per_block"],
        "blocks": plan["num_blocks"],
        "request_blocks": plan["blocks_per_request"],
        "fits": plan["fits"],
        "longest": plan["estimated_max_model_len"],
        "tokens": plan["kv_cache_size_tokens"],
        "concurrency": plan["max_concurrency"],
        "logged": plan["logged_concurrency"],
        "need_gib": round(plan["need_bytes"] / GIB, 3),
    }
    assert {key: said[key] for key in said if key in case} == {key: case[key] for key in said if key in case}


def attention(**values: Any) -> dict[str, Any]:
    return {"type": "full", "num_kv_heads": 8, "head_size": 128, "block_size": 16, "dtype": "bf16", **values}


def plan(
    layers: list[dict[str, Any]], *, available: int = 20 * GIB, length: int = 131072, **values: Any
) -> dict[str, Any]:
    return plan_kv_cache(
        {"layers": layers, "max_model_len": length, "available_kv_bytes": available, "max_in_flight_tokens": 16384}
        | values
    )


def test_block_outermost_layout_packs_pages_of_different_size() -> None:
    """Worked by hand from `_get_packed_kv_cache_groups`: three latent pages with three index pages repeat a pattern
    3 times; chunks of 3 or 4 pad least for 3 and 7 layers, and of those the larger is taken."""
    latent = {"type": "mla", "count": 3, "num_kv_heads": 1, "head_size": 576, "block_size": 64, "dtype": "bf16"}
    index = {"type": "mla", "count": 3, "num_kv_heads": 1, "head_size": 132, "block_size": 64, "dtype": "u8"}
    window = {**latent, "type": "sliding_mla", "count": 7, "window": 128}
    result = plan([latent, index, window], layout="BLHNC")
    assert [(g["layers"], g["page_size_bytes"]) for g in result["groups"]] == [
        (6, 3 * 64 * (1152 + 132)),
        (4, 4 * 64 * 1152),
        (3, 3 * 64 * 1152),
    ]
    assert result["bytes_per_block"] == 4 * 64 * 1152
    assert result["blocks_per_request"] == 131072 // 64 + 2 * (-(-(127 + 16384) // 64) + 1)


def test_mla_beside_an_unequal_window_is_allocated_in_full() -> None:
    latent = {"type": "mla", "count": 4, "num_kv_heads": 1, "head_size": 576, "block_size": 64, "dtype": "bf16"}
    draft = attention(type="sliding", count=1, window=1024, block_size=64)
    result = plan([latent, draft])
    assert [g["spec"] for g in result["groups"]] == ["UniformTypeKVCacheSpecs"]
    assert result["blocks_per_request"] == 131072 // 64


def test_all_mode_keeps_a_state_for_every_block() -> None:
    state = {"type": "mamba", "count": 2, "block_size": 512, "shapes": [[4, 16]], "dtypes": ["bf16"]}
    result = plan([state], length=8192, mamba_cache_mode="all")
    assert result["blocks_per_request"] == 16


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([{"type": "magic", "block_size": 16}], "unknown layer type"),
        ([{"type": "full", "block_size": 16}], "lacks 'head_size'"),
    ],
)
def test_bad_input_is_a_sentence(layers: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan(layers)


def test_a_mix_that_vllm_refuses_is_refused() -> None:
    state = {"type": "mamba", "count": 2, "block_size": 512, "shapes": [[4, 16]], "dtypes": ["bf16"]}
    with pytest.raises(ValueError, match="hybrid KV cache manager"):
        plan([state, attention(count=2)], hybrid_manager=False)


LAYERS = st.lists(
    st.builds(
        lambda kind, count, heads, block, window: (
            attention(type=kind, count=count, num_kv_heads=heads, block_size=block, window=window, chunk=window)
            if kind != "full"
            else attention(count=count, num_kv_heads=heads, block_size=block)
        ),
        st.sampled_from(["full", "sliding", "chunked"]),
        st.integers(1, 40),
        st.sampled_from([1, 2, 3, 4, 8, 16]),
        st.just(16),
        st.sampled_from([128, 1024, 4096]),
    ),
    min_size=1,
    max_size=4,
)


@given(LAYERS, st.integers(0, 2**36), st.integers(1, 300_000), st.integers(1, 65536))
def test_invariants(layers: list[dict[str, Any]], available: int, length: int, in_flight: int) -> None:
    result = plan(layers, available=available, length=length, max_in_flight_tokens=in_flight)
    assert sum(group["layers"] for group in result["groups"]) == sum(row["count"] for row in layers)
    assert result["num_blocks"] * result["bytes_per_block"] <= available
    assert result["fits"] == (result["estimated_max_model_len"] == length)
    longest = result["estimated_max_model_len"]
    if 0 < longest < length:
        assert plan(layers, available=available, length=longest, max_in_flight_tokens=in_flight)["fits"]
        assert not plan(layers, available=available, length=longest + 1, max_in_flight_tokens=in_flight)["fits"]
    if result["fits"]:
        assert result["max_concurrency"] > 1
        assert result["kv_cache_size_tokens"] >= length


@given(LAYERS, st.integers(1, 300_000))
def test_windows_never_cost_more_than_full_attention(layers: list[dict[str, Any]], length: int) -> None:
    """A window's blocks per request stay within those of full attention, but for the block at its ragged start."""
    with_windows = plan(layers, length=length)
    for group in with_windows["groups"]:
        assert group["page_size_bytes"] > 0
    rows = [{**row, "type": "full"} for row in layers]
    full = plan(rows, length=length)
    groups = len(with_windows["groups"])
    assert with_windows["blocks_per_request"] <= groups * (full["blocks_per_request"] + 1)


@pytest.mark.parametrize(
    ("changed", "page"),
    [
        ({}, 16 * 8 * 256 * 2),
        ({"dtype": "fp32"}, 16 * 8 * 256 * 4),
        ({"dtype": "bfloat16"}, 16 * 8 * 256 * 2),
        ({"dtype": "fp16"}, 16 * 8 * 256 * 2),
        ({"dtype": "u8"}, 16 * 8 * 256),
        ({"head_size_v": 64}, 16 * 8 * 192 * 2),
        ({"state_content_bytes": 264}, 16 * 8 * 264),
        ({"num_head_slots": 16}, 16 * 16 * 256 * 2),
        ({"tokens_per_state": 4}, 4 * 8 * 256 * 2),
        ({"state_content_bytes": 100, "alignment": 576}, -(-16 * 8 * 100 // 576) * 576),
        ({"page_size_padded": 100_000}, 100_000),
        ({"type": "mla", "num_kv_heads": 1, "head_size": 576, "head_size_v": 512}, 16 * 576 * 2),
    ],
)
def test_every_entry_of_a_row_counts(changed: dict[str, Any], page: int) -> None:
    (group,) = plan([attention(**changed)])["groups"]
    assert group["page_size_bytes"] == page


def test_every_entry_of_a_state_counts() -> None:
    state = {"type": "mamba", "block_size": 512, "shapes": [[4, 16], [8]], "dtypes": ["bf16", "fp32"]}
    (group,) = plan([state])["groups"]
    assert (group["page_size_bytes"], group["block_size"]) == (4 * 16 * 2 + 8 * 4, 512)
    assert plan([{**state, "page_size_padded": 4096}])["bytes_per_block"] == 4096
    needed = {
        key: plan([{**state, **more}], mamba_cache_mode="align")["blocks_per_request"]
        for key, more in {
            "plain": {},
            "drafts": {"num_speculative_blocks": 2},
            "checkpoints": {"num_prefill_checkpoint_blocks": 1},
        }.items()
    }
    assert needed == {"plain": 2, "drafts": 4, "checkpoints": 3}


def test_every_limit_counts_and_has_a_default() -> None:
    window = attention(type="sliding", window=1024)
    case = {"layers": [window], "max_model_len": 131072, "available_kv_bytes": 20 * GIB}
    bare = plan_kv_cache(case)
    assert bare["blocks_per_request"] == -(-1023 // 16) + 1
    assert plan_kv_cache(case | {"max_in_flight_tokens": 160})["blocks_per_request"] == -(-1183 // 16) + 1
    assert plan_kv_cache(case | {"extra_retained_tokens": 32})["blocks_per_request"] == -(-1055 // 16) + 1
    cross = case | {"layers": [attention(type="cross")]}
    assert plan_kv_cache(cross)["blocks_per_request"] == 0
    assert plan_kv_cache(cross | {"max_num_encoder_input_tokens": 1500})["blocks_per_request"] == 94
    full = case | {"layers": [attention()]}
    assert plan_kv_cache(full)["blocks_per_request"] == 8192
    assert plan_kv_cache(full | {"dcp": 4})["blocks_per_request"] == 2048
    state = {"type": "mamba", "block_size": 512, "shapes": [[4]], "dtypes": ["bf16"]}
    assert plan_kv_cache(case | {"layers": [state]})["blocks_per_request"] == 1
    # a window may be recorded on full layers, by either word, without splitting them
    recorded = [attention(window=128), attention(chunk=128), attention()]
    assert len(plan_kv_cache(case | {"layers": recorded})["groups"]) == 1
    assert len(plan_kv_cache(case | {"layers": [attention(window=128), attention(chunk=64)]})["groups"]) == 1
    assert plan_kv_cache(case | {"layers": [attention(window=128), attention(chunk=64)]})["groups"][0]["spec"] == (
        "UniformTypeKVCacheSpecs"
    )
    ring = plan_kv_cache(case | {"layers": [attention(type="ring")]})
    assert ring["blocks_per_request"] == 1


@pytest.mark.parametrize("missing", ["layers", "max_model_len", "available_kv_bytes"])
def test_a_missing_entry_is_named(missing: str) -> None:
    case = {"layers": [attention()], "max_model_len": 4096, "available_kv_bytes": GIB}
    del case[missing]
    with pytest.raises(ValueError, match=rf"^the KV cache case lacks '{missing}'$"):
        plan_kv_cache(case)


def test_an_unknown_type_is_refused_with_the_known_ones() -> None:
    words = "^unknown layer type 'magic'; known are full, mla, sliding, sliding_mla, chunked, cross, ring, mamba$"
    with pytest.raises(ValueError, match=words):
        plan([{"type": "magic", "block_size": 16}])
