"""Explanations hold the plan's own numbers."""

from __future__ import annotations

from dataclasses import replace

from tests.planning.conftest import facts, request
from wizard_tui.hardware.observed import Observation
from wizard_tui.planning.decide import decide
from wizard_tui.planning.explain import explanations
from wizard_tui.planning.planner import plan
from wizard_tui.planning.speed import forecast
from wizard_tui.schemas.numbers import GIB, gib


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


def test_in_full() -> None:
    """Each number, in the order of the panels, with the plan's own numbers in its reason."""
    decision = decide(request(workload={"concurrency": 4}, model={"max_model_len": 8192}), facts())
    result, response = decision.estimate, plan(decision.request, facts())
    weights, rest, cache = result.weights, result.overhead, result.cache
    parts = sorted(weights.parts.items(), key=lambda part: -part[1])
    shares = ", ".join(f"{name} {gib(size):.2f}" for name, size in parts if gib(size) >= 0.01)
    assert shares.startswith("mlp 10.50, attention 2.50, ")
    speed = forecast(decision.request, decision.facts.metadata, result)

    def size(value: int) -> str:
        return f"{gib(value):.2f} GiB"

    def many(bounds: tuple[float, float]) -> str:
        return f"{bounds[0]:,.0f} to {bounds[1]:,.0f}"

    assert [(one.name, one.value, one.reason) for one in explanations(decision)] == [
        ("total", "79.18 GiB", "what the driver reports for NVIDIA H100 80GB HBM3"),
        ("in use by others", "0.00 GiB", "held by other processes now; vLLM must do without it"),
        ("budget", size(result.budget), "gpu_memory_utilization 0.92 of 79.18 GiB"),
        (
            "weights",
            size(weights.bytes),
            "vLLM logs it as 'Model loading took': every tensor on one of 1 GPUs (TP 1), by the config, ±1.0 %. "
            f"In GiB: {shares}",
        ),
        (
            "activations",
            size(rest.activation_peak),
            "the highest moment of vLLM's profiling run of 8,192 tokens over 1,024 requests, beyond what stays",
        ),
        ("graphs", size(rest.cuda_graphs), "CUDA graphs: vLLM's own estimate, batch by batch"),
        (
            "non-torch",
            size(rest.non_torch),
            "what stays beside the weights: the sampler's state for 1,024 requests, workspaces, communicators and the "
            "CUDA libraries; the measured part of the plan",
        ),
        (
            "outside budget",
            size(result.gpu.total_bytes - result.budget),
            f"what the utilisation leaves alone; about {size(rest.unbudgeted)} of it are needed for CUDA's context and "
            "what vLLM makes after its cache",
        ),
        (
            "Available KV cache memory",
            size(result.kv_available),
            "budget less weights, activations, graphs and non-torch; in four of five starts it lies between "
            f"{gib(result.kv_low):.2f} and {size(result.kv_high)}",
        ),
        ("KV needed", size(result.kv_needed), "4 requests of 768 tokens at once, in whole blocks"),
        ("KV spare", size(result.headroom), "available less needed; below zero the rest queues"),
        (
            "blocks",
            f"{cache.num_blocks:,}",
            "available memory in pieces of 2,097,152 bytes. 32 layers FullAttentionSpec, 16 tokens a block, "
            "65,536 bytes",
        ),
        (
            "GPU KV cache size",
            f"{cache.tokens:,} tokens",
            f"{cache.max_concurrency:.2f} requests of 8,192 tokens",
        ),
        (
            "Maximum concurrency",
            f"{cache.max_concurrency:.2f}x",
            "all blocks over those of one request of max_model_len 8,192, which takes 1.00 GiB; shorter requests fit "
            "more often",
        ),
        (
            "Output of all users",
            f"{many(response.performance.decode_toks_per_s_range)} tok/s",
            f"4 in flight; a step's time goes into reading weights and cache. The median is "
            f"{speed.at(4).decode_toks_per_s:,.0f}; 80 % of measured servers lie in the range",
        ),
        (
            "TTFT",
            f"{many(response.performance.ttft_ms_range)} ms",
            "time to the first token: 512 prompt tokens through every layer, and the steps of the others in between",
        ),
        (
            "TPOT",
            f"{response.performance.tpot_ms_range[0]:.1f} to {response.performance.tpot_ms_range[1]:.1f} ms",
            f"time per further token: one step of all that run; one user alone sees about {speed.at(1).tpot_ms:.1f} ms",
        ),
        (
            "saturated",
            f"{many(response.performance.saturated_toks_per_s_range)} tok/s",
            f"with {speed.capacity:,} in flight, the most that run at once; kv cache keeps more waiting",
        ),
    ]


def test_reasons_change_with_their_cause() -> None:
    assert told(policy={"enforce_eager": True})["graphs"][1] == "CUDA graphs: none, as enforce_eager is set"
    assert told(policy={"vllm_version": "0.12.0"})["graphs"][1] == (
        "CUDA graphs: vLLM's own estimate, batch by batch; vLLM 0.12.0 takes them from outside the budget"
    )
    assert told(policy={"vllm_version": "0.12.0"})["GPU KV cache size"][1] == (
        "blocks of one group x 16 tokens, as vLLM 0.12.0 counts"
    )
    assert told(policy={"kv_cache_memory_bytes": "10G"})["budget"][1] == (
        "all the parts below: kv_cache_memory_bytes fixes the cache, and vLLM asks for no share"
    )
    queued = told(workload={"concurrency": 4}, policy={"max_num_seqs": 2})
    assert queued["Output of all users"][1].startswith("4 in flight, some of them waiting for room; ")
    assert queued["saturated"][1] == "with 2 in flight, the most that run at once; max_num_seqs keeps more waiting"
    long = told(model={"max_model_len": 600})
    assert long["KV needed"][1] == "1 requests of 600 tokens at once, in whole blocks"
    slow = told(workload={"prompt_tokens": 16, "gen_tokens": 16, "concurrency": 1000})
    assert "a step's time goes into arithmetic" in slow["Output of all users"][1]


def test_starts_that_were_seen_here_are_part_of_the_reason() -> None:
    box, version = facts(), decide(request(), facts()).rules.version
    seen = Observation(box.gpus[0].name, version, "test/llama-8b", "TP 1", GIB // 4, "2026-01-01")
    said = {one.name: one.reason for one in explanations(decide(request(), replace(box, observed=(seen,))))}
    assert said["non-torch"].endswith("the measured part of the plan, +0.25 GiB of it by starts seen on this machine")


def test_groups_are_told_apart_and_errors_have_their_percent() -> None:
    from wizard_tui.models.load import load_model_metadata, metadata_from_count

    gemma = replace(facts(), metadata=load_model_metadata("google/gemma-4-31B-it"))
    said = {one.name: one.reason for one in explanations(decide(request(), gemma))}
    assert said["blocks"].count("; 10 layers ") == 5
    guess = replace(facts(), metadata=metadata_from_count("a/b", 8, "nothing is known of a/b"))
    said = {one.name: one.reason for one in explanations(decide(request(), guess))}
    assert "by the parameter count, ±10.0 %." in said["weights"]
