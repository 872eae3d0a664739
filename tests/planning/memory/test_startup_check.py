"""Which of vLLM's checks a start fails at, and by how much."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.planning.decide import decide
from wizard_tui.schemas.numbers import GIB


def failure(model: str, gpu: str, count: int = 1, /, **sections: dict[str, Any]) -> Any:
    return decide(request(model, **sections), facts(model, gpu, count)).estimate.failure


def test_a_start_that_works() -> None:
    assert failure("llama-8b", "H100 80GB") is None


def test_weights_that_are_larger_than_the_gpu() -> None:
    found = failure("llama-70b", "H100 80GB")
    assert found.kind == "weights"
    assert "CUDA out of memory" in found.sentence
    # 131.4 GiB of weights on 79.2
    assert found.shortfall / GIB == pytest.approx(52.2, abs=0.5)


def test_memory_that_others_hold_is_looked_at_first() -> None:
    box = facts("llama-70b", "H100 80GB")
    taken = replace(box, gpus=tuple(replace(gpu, used_bytes=30 * GIB) for gpu in box.gpus))
    found = decide(request("llama-70b", policy={"gpu_memory_utilization": 0.92}), taken).estimate.failure
    assert found is not None
    assert found.kind == "free"
    assert "less than desired GPU memory utilization" in found.sentence


def test_a_budget_that_the_rest_uses_up() -> None:
    found = failure("llama-8b", "RTX 4090", policy={"gpu_memory_utilization": 0.68})
    assert found.kind == "cache"
    assert "no available memory for the cache blocks" in found.sentence


def test_a_request_that_is_longer_than_the_cache() -> None:
    found = failure("llama-8b", "RTX 4090", model={"max_model_len": 131072})
    assert found.kind == "length"
    assert "the estimated maximum is" in found.sentence
    assert 0 < found.shortfall < 16 * GIB


def test_a_length_that_just_fits_starts_and_one_more_block_does_not() -> None:
    found = failure("llama-8b", "RTX 4090", model={"max_model_len": 131072})
    longest = int(found.sentence.rpartition("maximum is ")[2].removesuffix(" tokens").replace(",", ""))
    assert failure("llama-8b", "RTX 4090", model={"max_model_len": longest}) is None
    assert failure("llama-8b", "RTX 4090", model={"max_model_len": longest + 16}).kind == "length"
