"""Explanations hold the plan's own numbers."""

from __future__ import annotations

from tests.planning.conftest import facts, request
from wizard_tui.planning.decide import decide
from wizard_tui.planning.explain import explanations
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.numbers import gib


def told(**sections: dict[str, object]) -> dict[str, tuple[str, str]]:
    return {one.name: (one.value, one.reason) for one in explanations(decide(request(**sections), facts()))}


def test_every_number_of_the_panels_is_explained_with_the_value_shown() -> None:
    response = plan(request(), facts())
    said = told()
    memory, cache = response.memory, response.kv_cache
    for name, size in (
        ("total", memory.total),
        ("budget", memory.budget),
        ("weights", memory.weights),
        ("activations", memory.activation_peak),
        ("graphs", memory.cuda_graphs),
        ("non-torch", memory.non_torch),
        ("Available KV cache memory", memory.kv_available),
        ("KV needed", memory.kv_needed),
        ("KV spare", memory.kv_available - memory.kv_needed),
    ):
        assert said[name][0] == f"{gib(size):.2f} GiB"
    assert said["GPU KV cache size"][0] == f"{cache.tokens:,} tokens"
    assert said["Maximum concurrency"][0] == f"{cache.max_concurrency:.2f}x"
    low, high = response.performance.ttft_ms_range
    assert said["TTFT"][0] == f"{low:,.0f} to {high:,.0f} ms"
    assert {"TPOT", "Output of all users", "saturated", "blocks", "outside budget"} <= set(said)


def test_reasons_name_what_the_user_can_change() -> None:
    assert "gpu_memory_utilization 0.8 of" in told(policy={"gpu_memory_utilization": 0.8})["budget"][1]
    assert "enforce_eager" in told(policy={"enforce_eager": True})["graphs"][1]
    assert "kv_cache_memory_bytes" in told(policy={"kv_cache_memory_bytes": "10G"})["budget"][1]
    assert "outside the budget" in told(policy={"vllm_version": "0.12.0"})["graphs"][1]
    assert "7 requests of 768 tokens" in told(workload={"concurrency": 7})["KV needed"][1]
