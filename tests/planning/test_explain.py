"""Explanations hold the plan's own numbers."""

from __future__ import annotations

from dataclasses import replace

from tests.planning.conftest import facts, request
from wizard_tui.hardware.observed import Observation
from wizard_tui.planning.decide import decide
from wizard_tui.planning.explain import explanations
from wizard_tui.planning.planner import plan
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
    """Each number, in the order of the panels, for Llama 3.1 8B on an H100, worked by hand in GiB.

    Weights: 8,030,261,248 parameters of 2 bytes, and 131,072 rotary positions of 128 values. Activations: the embedding
    of 128,256 words and two hidden states of 8192 tokens. Graphs: 51 sizes x 32 layers x 537 KiB. Non-torch: 316 MiB,
    4.125 bytes for each of 1024 requests and word, and the embedding. A block is 16 tokens of 128 KiB.
    """
    decision = decide(request(workload={"concurrency": 4}, model={"max_model_len": 8192}), facts())
    assert [(one.name, one.value, one.reason) for one in explanations(decision)] == [
        ("total", "79.18 GiB", "what the driver reports for NVIDIA H100 80GB HBM3"),
        ("in use by others", "0.00 GiB", "held by other processes now; vLLM must do without it"),
        ("budget", "72.84 GiB", "gpu_memory_utilization 0.92 of 79.18 GiB"),
        (
            "weights",
            "14.99 GiB",
            "vLLM logs it as 'Model loading took': every tensor on one of 1 GPUs (TP 1), by the config, ±1.0 %. "
            "In GiB: mlp 10.50, attention 2.50, embedding 0.98, lm_head 0.98, buffers 0.03",
        ),
        (
            "activations",
            "1.10 GiB",
            "the highest moment of vLLM's profiling run of 8,192 tokens over 1,024 requests, beyond what stays",
        ),
        ("graphs", "0.84 GiB", "CUDA graphs: vLLM's own estimate, batch by batch"),
        (
            "non-torch",
            "1.79 GiB",
            "what stays beside the weights: the sampler's state for 1,024 requests, workspaces, communicators and the "
            "CUDA libraries; the measured part of the plan",
        ),
        (
            "outside budget",
            "6.33 GiB",
            "what the utilisation leaves alone; about 1.02 GiB of it are needed for CUDA's context and what vLLM makes "
            "after its cache",
        ),
        (
            "Available KV cache memory",
            "54.12 GiB",
            "budget less weights, activations, graphs and non-torch; in four of five starts it lies between "
            "53.23 and 55.85 GiB",
        ),
        ("KV needed", "0.38 GiB", "4 requests of 768 tokens at once, in whole blocks"),
        ("KV spare", "53.75 GiB", "available less needed; below zero the rest queues"),
        (
            "blocks",
            "27,711",
            "available memory in pieces of 2,097,152 bytes. 32 layers FullAttentionSpec, 16 tokens a block, "
            "65,536 bytes",
        ),
        ("GPU KV cache size", "443,376 tokens", "54.12 requests of 8,192 tokens"),
        (
            "Maximum concurrency",
            "54.12x",
            "all blocks over those of one request of max_model_len 8,192, which takes 1.00 GiB; shorter requests fit "
            "more often",
        ),
        (
            # 0.546 and 1.2 of the median
            "Output of all users",
            "305 to 671 tok/s",
            "4 in flight; a step's time goes into reading weights and cache. The median is 559; 80 % of measured "
            "servers lie in the range",
        ),
        (
            "TTFT",
            "31 to 97 ms",
            "time to the first token: 512 prompt tokens through every layer, and the steps of the others in between",
        ),
        (
            "TPOT",
            "5.4 to 10.1 ms",
            "time per further token: one step of all that run; one user alone sees about 6.9 ms",
        ),
        (
            # 27,711 blocks over the 512 prompt tokens and 0.6 of the 256 of the answer
            "saturated",
            "5,088 to 11,182 tok/s",
            "with 666 in flight, the most that run at once; kv cache keeps more waiting",
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
