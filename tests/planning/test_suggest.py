"""Suggestions for a plan that does not fit, and that they help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.planning.conftest import VERSION, facts, request
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.decide import decide, safe_utilisation
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.speed import forecast
from wizard_tui.planning.suggest import AT_MOST, patched, suggestions
from wizard_tui.resolver import Facts
from wizard_tui.schemas.outputs import Suggestion


def decided(box: Facts | None = None, name: str = "llama-8b", **sections: dict[str, Any]) -> Decision:
    return decide(request(name, **sections), box or facts(name))


def offered(decision: Decision) -> dict[str, Suggestion]:
    return {
        f"{section}.{field}": one
        for one in suggestions(decision)
        for section, fields in one.patch.items()
        for field in fields
    }


def titles(decision: Decision) -> list[str]:
    return [one.title for one in suggestions(decision)]


FULL_LENGTH = {"max_model_len": 131072}


def test_nothing_is_offered_where_nothing_is_gained() -> None:
    """Eight-bit caches on Ampere have no kernel, and the one card is in use already."""
    assert suggestions(decided(facts(gpu="A100-SXM4-80GB"))) == []


def test_a_cache_in_eight_bits_doubles_what_runs_at_once() -> None:
    (one,) = suggestions(decided(facts(gpu="H100 80GB")))
    assert one == Suggestion(
        title="kv_cache_dtype auto -> fp8: 2.0x concurrency",
        patch={"model": {"kv_cache_dtype": "fp8"}},
        gain="2.0x concurrency",
    )
    assert suggestions(decided(model={"kv_cache_dtype": "fp8"})) == []


@pytest.mark.parametrize(("gpu", "has_kernel"), [("L40S", True), ("H100 80GB", True), ("A100-SXM4-80GB", False)])
def test_eight_bits_where_the_gpu_has_them(gpu: str, has_kernel: bool) -> None:
    assert ("model.kv_cache_dtype" in offered(decided(facts(gpu=gpu), model={"max_model_len": 8192}))) == has_kernel


def test_amd_cards_of_the_catalogue_have_eight_bits() -> None:
    assert "model.kv_cache_dtype" in offered(decided(facts(gpu="MI300X"), model={"max_model_len": 8192}))


def test_idle_gpus_are_offered_as_copies() -> None:
    found = offered(decided(facts(gpus=4)))["hardware.data_parallel_size"]
    assert found.title == "TP 1 -> TP 1 x DP 4: 4.0x concurrency"
    copies = offered(decided(facts(gpus=5), hardware={"tensor_parallel_size": 2}))["hardware.data_parallel_size"]
    assert copies.patch == {
        "hardware": {"tensor_parallel_size": 2, "pipeline_parallel_size": None, "data_parallel_size": 2}
    }
    assert "hardware.data_parallel_size" not in offered(decided(facts(gpus=3), hardware={"tensor_parallel_size": 2}))


def test_copies_are_of_the_layout_that_was_planned() -> None:
    """Two of eight cards hold the model; four copies take all eight, and not four cards alone."""
    sections: dict[str, Any] = {"model": {"max_model_len": 8192}, "workload": {"concurrency": 2}}
    decision = decided(facts("llama-70b", gpus=8), "llama-70b", **sections)
    assert str(decision.estimate.settings.layout) == "TP 2"
    copies = offered(decision)["hardware.data_parallel_size"]
    after = decide(patched(decision.request, copies.patch), decision.facts)
    assert str(after.estimate.settings.layout) == "TP 2 x DP 4"
    assert (after.idle_gpus, copies.gain) == (0, "4.0x concurrency")
    one_stage = decided(facts(gpus=4), hardware={"pipeline_parallel_size": 1})
    assert offered(one_stage)["hardware.data_parallel_size"].patch["hardware"]["pipeline_parallel_size"] == 1


def test_memory_freed_by_a_suggestion_goes_to_the_users_not_to_a_smaller_layout() -> None:
    """With a cache in eight bits one card would give all 16 users the whole context, and seven would be idle."""
    box = Facts(load_model_metadata("deepseek-ai/DeepSeek-V2-Lite"), (get_gpu_by_name("H100 80GB"),) * 8, VERSION)
    decision = decide(request(workload={"concurrency": 16}), box)
    eight_bits = offered(decision)["model.kv_cache_dtype"]
    after = decide(patched(decision.request, eight_bits.patch), box)
    assert after.estimate.settings.layout == decision.estimate.settings.layout
    assert eight_bits.title.startswith("kv_cache_dtype auto -> fp8: ")


def test_a_plan_that_does_not_fit_gets_the_cheapest_change_first() -> None:
    decision = decided(facts(gpu="RTX 4090"), model=FULL_LENGTH)
    assert not decision.fits
    found = suggestions(decision)
    assert len(found) <= AT_MOST
    longest = decision.estimate.layout.largest_len(decision.estimate.kv_low, 1, 131072) // 16 * 16
    assert {"model": {"max_model_len": longest}} in [one.patch for one in found]
    for one in found:
        box = facts(gpu="RTX 4090", gpus=one.patch.get("hardware", {}).get("gpus", 1))
        after = decide(patched(decision.request, one.patch), box)
        assert after.fits, one.title
        cache, length = after.estimate.cache, after.estimate.settings.max_model_len
        assert one.gain == f"fits, {cache.max_concurrency:.1f}x {length:,} tokens"
        assert one.title.endswith(f": {one.gain}")


def test_a_workload_that_would_queue_gets_one_that_would_not() -> None:
    decision = decided(facts(gpu="RTX 4090"), model={"max_model_len": 2048}, workload={"concurrency": 100})
    assert decision.estimate.starts
    assert not decision.fits
    fewer = offered(decision)["workload.concurrency"]
    fitting = fewer.patch["workload"]["concurrency"]
    one = decision.estimate.layout.request_bytes(768)
    assert fitting == decision.estimate.kv_available // one
    assert fewer.title == f"concurrency 100 -> {fitting}: fits, {fewer.gain.removeprefix('fits, ')}"
    assert fewer.gain.endswith(" GiB spare")
    assert decide(patched(decision.request, fewer.patch), facts(gpu="RTX 4090")).fits


def test_fewer_users_count_fragmentation_and_copies() -> None:
    box = facts(gpu="RTX 4090", gpus=2)
    asked = {"hardware": {"tensor_parallel_size": 1, "data_parallel_size": 2}, "model": {"max_model_len": 2048}}
    two = decided(box, **asked, workload={"concurrency": 200}, policy={"fragmentation_factor": 2.0})
    fewer = offered(two)["workload.concurrency"].patch["workload"]["concurrency"]
    assert fewer == 2 * int(two.estimate.kv_available // (2.0 * two.estimate.layout.request_bytes(768)))


def short_by(mib: int, **policy: Any) -> Decision:
    """A card whose share is that much too small for one request of 2048 tokens."""
    box = facts(gpu="RTX 4090")
    roomy = decided(box, model={"max_model_len": 2048}, policy=policy | {"gpu_memory_utilization": 0.9}).estimate
    one = roomy.cache.bytes_per_request + roomy.cache.bytes_per_block
    share = (roomy.budget - roomy.kv_available + one - (mib << 20)) / roomy.gpu.total_bytes
    return decided(box, model={"max_model_len": 2048}, policy=policy | {"gpu_memory_utilization": share})


def test_a_larger_share_is_offered_up_to_what_is_safe() -> None:
    decision = short_by(100)
    assert not decision.fits
    more, safe = suggestions(decision)[0], round(safe_utilisation(decision.estimate), 2)
    assert more.patch == {"policy": {"gpu_memory_utilization": safe}}
    old = decision.estimate.settings.gpu_memory_utilization
    assert more.title.startswith(f"gpu_memory_utilization {old:.2f} -> {safe:.2f}: fits, ")


def test_settings_that_free_enough_are_offered_and_others_are_not() -> None:
    """Of 32,768 batched tokens 2048 are left, of 256 requests 64: their states take 4.125 bytes for each word."""
    many = {"max_num_batched_tokens": 32768, "max_num_seqs": 256}
    little, much = offered(short_by(10, **many)), offered(short_by(2000, **many))
    assert little["policy.max_num_batched_tokens"].patch == {"policy": {"max_num_batched_tokens": 2048}}
    assert little["policy.max_num_seqs"].patch == {"policy": {"max_num_seqs": 64}}
    assert "policy.max_num_seqs" not in much
    few = offered(short_by(10, max_num_batched_tokens=2048, max_num_seqs=64))
    assert not {"policy.max_num_batched_tokens", "policy.max_num_seqs"} & set(few)


def test_graphs_can_be_made_smaller_or_given_up() -> None:
    plain = short_by(10, max_num_batched_tokens=2048, max_num_seqs=256)
    assert {"policy": {"max_cudagraph_capture_size": 64}} in [one.patch for one in suggestions(plain)]
    capped = short_by(10, max_num_batched_tokens=2048, max_num_seqs=64, max_cudagraph_capture_size=64)
    patches = [one.patch for one in suggestions(capped)]
    assert {"policy": {"enforce_eager": True}} in patches
    assert not any("max_cudagraph_capture_size" in patch.get("policy", {}) for patch in patches)
    eager = short_by(10, max_num_batched_tokens=2048, max_num_seqs=64, enforce_eager=True)
    assert not any("enforce_eager" in patch.get("policy", {}) for patch in (one.patch for one in suggestions(eager)))


def test_too_large_weights_get_smaller_formats_or_more_cards() -> None:
    decision = decided(facts("llama-70b"), "llama-70b")
    found = suggestions(decision)
    # of several numbers of cards the smallest that fits; no setting makes weights smaller
    assert [one.patch for one in found] == [{"hardware": {"gpus": 2}}]
    on_a_large_card = suggestions(decided(facts("llama-70b", "H200"), "llama-70b", model={"max_model_len": 131072}))
    assert {"model": {"quantization": "fp8_per_tensor"}} in [one.patch for one in on_a_large_card]


def test_a_detected_box_is_not_made_larger() -> None:
    box = facts("llama-70b")
    here = replace(box, gpus=tuple(replace(gpu, index=0) for gpu in box.gpus))
    assert not any("gpus" in one.patch.get("hardware", {}) for one in suggestions(decided(here, "llama-70b")))


def test_a_quantised_model_is_not_quantised_again() -> None:
    metadata = load_model_metadata("Qwen/Qwen3-32B-AWQ")
    box = Facts(metadata, (get_gpu_by_name("RTX 3060"),), VERSION)
    found = suggestions(decide(request(), box))
    assert not any("quantization" in one.patch.get("model", {}) for one in found)


def test_a_checkpoint_that_is_smaller_is_offered_first() -> None:
    box = Facts(load_model_metadata("Qwen/Qwen3-32B"), (get_gpu_by_name("RTX 4090"),), VERSION)
    found = [one.patch.get("model", {}).get("model") for one in suggestions(decide(request(), box))]
    assert found[0] is not None
    assert found[0].startswith("Qwen/Qwen3-32B-")


def test_impossible_settings_are_taken_back() -> None:
    decision = decided(facts(gpus=4), hardware={"tensor_parallel_size": 3})
    (back,) = suggestions(decision)
    assert back.patch == {"hardware": {"tensor_parallel_size": None}}
    assert back.title.startswith("tensor_parallel_size 3 -> auto: fits, ")


def test_a_method_that_vllm_dropped_is_replaced_or_left_out() -> None:
    decision = decided(model={"quantization": "fp8"})
    assert decision.problem is not None
    found = [one.patch for one in suggestions(decision)]
    assert found[0] == {"model": {"quantization": "fp8_per_tensor"}}
    assert {"model": {"quantization": None}} in found


def test_a_goal_is_kept_by_fewer_users_or_by_all_gpus() -> None:
    sections: dict[str, Any] = {
        "workload": {"concurrency": 64, "target_tpot_ms": 20, "prompt_tokens": 4000, "gen_tokens": 200},
    }
    decision = decided(facts(gpu="A100-SXM4-80GB"), **sections)
    assert decision.missed == ("tpot",)
    fewer = offered(decision)["workload.concurrency"]
    assert fewer.gain == "keeps the TPOT goal"
    assert 0 < fewer.patch["workload"]["concurrency"] < 64
    # a goal that more GPUs keep frees the layout
    alone = forecast(decision).at(1).ttft_ms
    goal = {"prompt_tokens": 4000, "gen_tokens": 200, "target_ttft_ms": 0.7 * alone}
    box = facts(gpu="A100-SXM4-80GB", gpus=4)
    pinned = decided(box, hardware={"tensor_parallel_size": 1, "interconnect": "nvlink"}, workload=goal)
    assert pinned.missed == ("ttft",)
    freed = offered(pinned)["hardware.tensor_parallel_size"]
    assert (freed.patch, freed.gain) == ({"hardware": {"tensor_parallel_size": None}}, "keeps the TTFT goal")


def test_a_patch_is_merged_and_user_settings_stay() -> None:
    asked = request(model={"max_model_len": 4096}, policy={"max_num_seqs": 8})
    changed = patched(asked, {"policy": {"max_num_seqs": None, "port": 9000}, "hardware": {"gpus": 2}})
    assert changed.model.max_model_len == 4096
    assert (changed.policy.max_num_seqs, changed.policy.port, changed.hardware.gpus) == (None, 9000, 2)
    assert asked.policy.max_num_seqs == 8, "the request itself is as it was"
    assert changed.model.model_fields_set == {"model", "max_model_len"}, "what was not said stays unsaid"
    assert changed.policy.model_fields_set == {"max_num_seqs", "port"}
    with pytest.raises(ValueError, match="port"):
        patched(asked, {"policy": {"port": 0}})


def test_a_layout_that_fits_is_not_offered_to_be_freed() -> None:
    decision = decided(facts(gpus=4), hardware={"tensor_parallel_size": 2})
    assert decision.fits
    assert decision.idle_gpus == 2
    (copy,) = [one for one in suggestions(decision) if "hardware" in one.patch]
    # exactly as many idle GPUs as one copy takes are one copy more
    assert copy.title == "TP 2 -> TP 2 x DP 2: 2.0x concurrency"


def test_a_pinned_layout_that_does_not_fit_is_freed_where_there_are_more_gpus() -> None:
    one = {"tensor_parallel_size": 1, "pipeline_parallel_size": 1}
    pinned = decided(facts("llama-70b", gpus=4), "llama-70b", hardware=one)
    assert not pinned.fits
    assert offered(pinned)["hardware.tensor_parallel_size"].patch == {"hardware": {"tensor_parallel_size": None}}


def test_a_goal_on_two_gpus_is_kept_by_both() -> None:
    goal = {"prompt_tokens": 4000, "gen_tokens": 200}
    box = facts(gpu="A100-SXM4-80GB", gpus=2)
    slow = decided(box, hardware={"tensor_parallel_size": 1, "interconnect": "nvlink"}, workload=goal)
    alone = forecast(slow).at(1).ttft_ms
    pinned = decided(
        box,
        hardware={"tensor_parallel_size": 1, "interconnect": "nvlink"},
        workload=goal | {"target_ttft_ms": 0.8 * alone},
    )
    assert offered(pinned)["hardware.tensor_parallel_size"].gain == "keeps the TTFT goal"


def test_several_changes_in_one_patch_are_told_one_after_the_other() -> None:
    from wizard_tui.planning.suggest import _change

    patch = {"model": {"kv_cache_dtype": "fp8"}, "policy": {"gpu_memory_utilization": 0.95, "max_num_seqs": None}}
    assert _change(decided(), patch) == (
        "kv_cache_dtype auto -> fp8, gpu_memory_utilization 0.92 -> 0.95, max_num_seqs 1024 -> auto"
    )


@pytest.mark.parametrize("prompt", [2000, 30000])
def test_a_shorter_length_is_offered_only_where_the_workload_still_fits_into_it(prompt: int) -> None:
    """27,552 tokens are the most of an RTX 4090: room for 2000 + 256, none for 30,000 + 256."""
    workload = {"prompt_tokens": prompt, "gen_tokens": 256}
    found = offered(decided(facts(gpu="RTX 4090"), model=FULL_LENGTH, workload=workload))
    assert ("model.max_model_len" in found) == (prompt == 2000)
    edge = found["model.max_model_len"].patch["model"]["max_model_len"] if prompt == 2000 else 0
    if edge:
        tight = {"prompt_tokens": edge - 100, "gen_tokens": 200}
        beyond = offered(decided(facts(gpu="RTX 4090"), model=FULL_LENGTH, workload=tight))
        assert "model.max_model_len" not in beyond


def test_both_goals_that_a_change_keeps_are_named() -> None:
    goal = {"prompt_tokens": 4000, "gen_tokens": 200}
    box = facts(gpu="A100-SXM4-80GB", gpus=4)
    one = {"tensor_parallel_size": 1, "interconnect": "nvlink"}
    slow = decided(box, hardware=one, workload=goal)
    alone = forecast(slow).at(1)
    both = goal | {"target_ttft_ms": 0.7 * alone.ttft_ms, "target_tpot_ms": 0.7 * alone.tpot_ms}
    pinned = decided(box, hardware=one, workload=both)
    assert pinned.missed == ("ttft", "tpot")
    assert offered(pinned)["hardware.tensor_parallel_size"].gain == "keeps the TTFT and TPOT goals"
