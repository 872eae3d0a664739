"""What the plots show."""

from __future__ import annotations

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.planning.curves import curves
from wizard_tui.planning.decide import decide


def test_longer_requests_leave_room_for_fewer() -> None:
    decision = decide(request(), facts())
    drawn = curves(decision)
    assert drawn.context_tokens[0] == 256
    assert drawn.context_tokens[-1] == decision.estimate.settings.max_model_len
    assert list(drawn.at_once) == sorted(drawn.at_once, reverse=True)
    assert drawn.at_once[-1] == pytest.approx(decision.estimate.cache.max_concurrency)
    assert max(drawn.at_once) <= decision.estimate.settings.max_num_seqs


def test_more_clients_wait_longer() -> None:
    drawn = curves(decide(request(policy={"max_num_seqs": 24}), facts()))
    assert drawn.clients == (1, 2, 4, 8, 16, 32)
    assert list(drawn.ttft_ms) == sorted(drawn.ttft_ms)
    assert list(drawn.tpot_ms) == sorted(drawn.tpot_ms)


def test_replicas_multiply_the_requests_that_fit() -> None:
    asked = request(hardware={"data_parallel_size": 2, "tensor_parallel_size": 1}, policy={"max_num_seqs": 8})
    assert curves(decide(asked, facts(gpus=2))).at_once[0] == 16


def test_a_plan_that_does_not_fit_has_empty_curves() -> None:
    drawn = curves(decide(request("llama-70b"), facts("llama-70b", "RTX 4090")))
    assert set(drawn.at_once) == {0.0}
