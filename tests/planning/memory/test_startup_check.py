"""Which of vLLM's checks a start fails at, and by how much."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.planning.decide import decide
from wizard_tui.planning.memory.startup_check import startup_failure
from wizard_tui.schemas.numbers import GIB

BLOCK = 2 << 20


def failure(model: str, gpu: str, count: int = 1, /, **sections: dict[str, Any]) -> Any:
    return decide(request(model, **sections), facts(model, gpu, count)).estimate.failure


def test_a_start_that_works() -> None:
    assert failure("llama-8b", "H100 80GB") is None


def test_weights_that_are_larger_than_the_gpu() -> None:
    found = failure("llama-70b", "H100 80GB")
    assert found.kind == "weights"
    # 70.6 billion parameters of two bytes
    assert found.sentence == "the weights take 131.45 GiB a GPU and 79.18 are free: CUDA out of memory"


def test_memory_held_by_others_is_checked_first() -> None:
    box = facts("llama-70b", "H100 80GB")
    taken = replace(box, gpus=tuple(replace(gpu, used_bytes=30 * GIB) for gpu in box.gpus))
    found = decide(request("llama-70b", policy={"gpu_memory_utilization": 0.92}), taken).estimate.failure
    assert found is not None
    assert found.kind == "free"
    assert found.sentence == (
        "free memory on the GPU (49.18/79.18 GiB) is less than desired GPU memory utilization (72.84 GiB)"
    )


def test_a_budget_used_up_by_the_rest() -> None:
    found = failure("llama-8b", "RTX 4090", policy={"gpu_memory_utilization": 0.68})
    assert found.kind == "cache"
    words = r"no available memory for the cache blocks: weights and overhead exceed the budget of [\d.]+ GiB by 0\.\d\d"
    assert re.fullmatch(words, found.sentence)


def test_a_request_that_is_longer_than_the_cache() -> None:
    found = failure("llama-8b", "RTX 4090", model={"max_model_len": 131072})
    assert found.kind == "length"
    words = (
        r"one request of 131,072 tokens needs 16\.00 GiB of KV cache and (\d\.\d\d) are available; "
        r"the estimated maximum is ([\d,]+) tokens"
    )
    available, longest = re.fullmatch(words, found.sentence).groups()  # type: ignore[union-attr]
    # 128 KiB a token, in whole blocks
    assert float(available) == pytest.approx(int(longest.replace(",", "")) / 8192, abs=0.01)


def test_a_length_that_just_fits_starts_and_one_more_block_does_not() -> None:
    found = failure("llama-8b", "RTX 4090", model={"max_model_len": 131072})
    longest = int(found.sentence.rpartition("maximum is ")[2].removesuffix(" tokens").replace(",", ""))
    assert failure("llama-8b", "RTX 4090", model={"max_model_len": longest}) is None
    assert failure("llama-8b", "RTX 4090", model={"max_model_len": longest + 16}).kind == "length"


@pytest.mark.parametrize(
    ("budget", "weights", "available", "kind"),
    [
        (80, 10, 60, None),
        # as much free as is asked for is enough, a byte less is not
        (80 + 1 / GIB, 10, 60, "free"),
        (70, 80, 60, None),
        (70, 80 + 1 / GIB, 60, "weights"),
        # one block is kept back
        (70, 10, BLOCK / GIB, "cache"),
        (70, 10, (BLOCK + 1) / GIB, "length"),
        (70, 10, (257 * BLOCK - 1) / GIB, "length"),
        (70, 10, 257 * BLOCK / GIB, None),
    ],
)
def test_at_the_edge_of_each_check(budget: float, weights: float, available: float, kind: str | None) -> None:
    """A card with 80 GiB free of 90, and a request of 4096 tokens, which takes 256 blocks."""
    (h100,) = facts().gpus
    found = startup_failure(
        gpu=replace(h100, total_bytes=90 * GIB, used_bytes=10 * GIB),
        budget=round(budget * GIB),
        weights_bytes=round(weights * GIB),
        kv_available=round(available * GIB),
        cache=decide(request(), facts()).estimate.layout.capacity(round(available * GIB), 4096),
        max_model_len=4096,
    )
    assert (found.kind if found else None) == kind
