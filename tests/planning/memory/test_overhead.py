"""The rest beside weights and cache, against vLLM's own measurements."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, QWEN3_30B_A3B
from tests.planning.memory.asked import overhead_for
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.overhead import Overhead, facts, graph_costs
from wizard_tui.schemas.numbers import gib


def overhead(model: ModelMetadata, gpu: str, version: str, tokens: int, sequences: int, **more: Any) -> Overhead:
    return overhead_for(
        model,
        get_gpu_by_name(gpu),
        tp=more.pop("tp", 1),
        dtype="bfloat16",
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        vllm_version=version,
        **more,
    )


# torch's own peak in GiB. 0.29: https://github.com/mondegreens/apron (records/phase-1b-cohort);
# 0.19: https://github.com/llm-d-incubation/llm-d-planner/pull/205 (accuracy/results/v0.19.0/logs)
PEAKS = (
    ("Qwen/Qwen3-1.7B", "L4", "0.29.0", 2048, 256, 1, 0.60),
    ("Qwen/Qwen3-32B", "A100-SXM4-80GB", "0.29.0", 2048, 256, 1, 1.49),
    ("Qwen/Qwen3-32B", "H100 80GB", "0.29.0", 8192, 1024, 1, 1.61),
    ("mistralai/Mistral-7B-Instruct-v0.3", "RTX 4090", "0.29.0", 2048, 256, 1, 0.28),
    ("openai/gpt-oss-120b", "H100 80GB", "0.29.0", 8192, 1024, 1, 1.17),
    ("google/gemma-2-27b-it", "H100 80GB", "0.19.0", 8192, 1024, 1, 3.66),
    ("google/gemma-2-2b-it", "H100 80GB", "0.19.0", 8192, 1024, 1, 3.62),
    ("Qwen/Qwen3-30B-A3B", "H100 80GB", "0.19.0", 8192, 1024, 1, 2.68),
    ("Qwen/Qwen2.5-72B-Instruct", "H100 80GB", "0.19.0", 8192, 1024, 2, 2.29),
)


@pytest.mark.parametrize(("model", "gpu", "version", "tokens", "sequences", "tp", "peak"), PEAKS)
def test_activation_peaks(
    model: str, gpu: str, version: str, tokens: int, sequences: int, tp: int, peak: float
) -> None:
    found = overhead(load_model_metadata(model), gpu, version, tokens, sequences, tp=tp)
    assert gib(found.activation_peak) == pytest.approx(peak, abs=0.12)


def test_the_sum_is_in_its_band_and_its_parts_add_up() -> None:
    found = overhead(load_model_metadata("Qwen/Qwen3-32B"), "H100 80GB", "0.33.0", 8192, 1024)
    assert found.low < found.budgeted < found.high
    assert found.budgeted == found.activation_peak + found.non_torch + found.cuda_graphs


def test_graphs_are_charged_since_021_and_not_at_all_when_eager() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    old, new = (overhead(model, "H100 80GB", version, 8192, 1024) for version in ("0.19.0", "0.21.0"))
    assert old.budgeted_graphs == 0
    assert new.budgeted_graphs == new.cuda_graphs > 0
    assert overhead(model, "H100 80GB", "0.33.0", 8192, 1024, enforce_eager=True).cuda_graphs == 0


def test_fewer_sequences_need_fewer_graphs_and_less_sampler_state() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    many, few = (overhead(model, "H100 80GB", "0.33.0", 8192, sequences) for sequences in (1024, 64))
    # sizes 1, 2, 4 and 8 to 64 in steps of 8, against 51 up to 512
    assert few.cuda_graphs == pytest.approx(many.cuda_graphs * 11 / 51, rel=1e-6)
    # 4.125 bytes for each sequence and word
    assert many.non_torch - few.non_torch == pytest.approx(4.125 * 960 * 128256, rel=1e-6)


def test_experts_keep_a_workspace_that_shrinks_with_more_gpus() -> None:
    model = metadata_from_config(QWEN3_30B_A3B, model_id="m", source="config")
    dense = overhead(
        metadata_from_config(LLAMA_8B, model_id="m", source="config"), "H100 80GB", "0.33.0", 8192, 256, tp=4
    )
    four, eight = (overhead(model, "H100 80GB", "0.33.0", 8192, 256, tp=tp) for tp in (4, 8))
    # 8192 tokens x 8 experts x (2048 + 2048) values of 2 bytes
    assert four.non_torch - dense.non_torch == pytest.approx((512 << 20) + 4.125 * 256 * (151936 - 128256), rel=0.02)
    assert eight.non_torch <= four.non_torch


# GiB that stayed beside base and sampler state in boots of 0.29 (https://github.com/mondegreens/apron): the block in
# which the compiler timed the embedding is kept where something lasting lies in it
@pytest.mark.parametrize(
    ("model", "gpu", "tokens", "sequences", "non_torch"),
    [
        ("Qwen/Qwen3-32B", "H100 80GB", 8192, 1024, 2.28),
        ("openai/gpt-oss-120b", "H100 80GB", 8192, 1024, 2.16),
        ("deepseek-ai/DeepSeek-V2-Lite", "A100-SXM4-80GB", 2048, 256, 0.56),
        ("Qwen/Qwen3-32B", "A100-SXM4-80GB", 2048, 256, 0.27),
        ("mistralai/Mistral-7B-Instruct-v0.3", "RTX 4090", 2048, 256, 0.14),
        ("google/gemma-4-31B-it", "H100 80GB", 8192, 1024, 1.44),
    ],
)
def test_what_stays_reserved(model: str, gpu: str, tokens: int, sequences: int, non_torch: float) -> None:
    found = overhead(load_model_metadata(model), gpu, "0.29.0", tokens, sequences)
    assert gib(found.non_torch) == pytest.approx(non_torch, abs=0.08)


def test_the_band_covers_what_depends_on_the_boot() -> None:
    # Qwen3-1.7B on an L4 kept its 0.58 GiB, Qwen3-32B on an A100 did not keep its 1.45
    small = overhead(load_model_metadata("Qwen/Qwen3-1.7B"), "L4", "0.29.0", 2048, 256)
    assert gib(small.non_torch) < 0.3 < 0.84 - 0.26 <= gib(small.high - small.budgeted)


# https://github.com/llm-d/llm-d-benchmark (config_explorer/empirical-vllm-memory-results.md): before 0.17 the sampler's
# dummy run took 38 bytes for each sequence and word
@pytest.mark.parametrize(
    ("model", "tp", "peak"),
    [("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", 2, 4.84), ("openai/gpt-oss-120b", 1, 7.38)],
)
def test_the_sampler_of_old_versions(model: str, tp: int, peak: float) -> None:
    found = overhead(load_model_metadata(model), "H100 80GB", "0.15.0", 8192, 1024, tp=tp)
    # the experts' workspace is beside the sampler's peak
    assert gib(found.activation_peak) == pytest.approx(peak, rel=0.09)


def test_several_gpus_keep_their_communicators_outside_the_budget() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    one, two = (overhead(model, "H100 80GB", "0.33.0", 8192, 1024, tp=tp) for tp in (1, 2))
    assert two.unbudgeted > one.unbudgeted


# Llama 3.1 8B: 32 layers of 4096, 32 heads of 128 over 8, 14336 wide, 128,256 words; 16 bits
T, R, H, V = 8192, 1024, 4096, 128_256
HIDDEN, EMBEDDING, STATE = T * H * 2, V * H * 2, int(4.125 * R * V)
MIB, KIB = 1 << 20, 1 << 10
# kernels, handles and compiled code in records of vLLM 0.29 and 0.30 (https://github.com/mondegreens/apron,
# docs/traces/kv-budget-residuals.md): MiB on compute capability 9.0 and above; 117 on 8.0 to 8.9
HOPPER_BASE = 316


def llama(**changed: Any) -> ModelMetadata:
    return metadata_from_config(LLAMA_8B | changed, model_id="m", source="config")


def of_llama(
    gpu: str = "H100 80GB", version: str = "0.33.0", tokens: int = T, sequences: int = R, **more: Any
) -> Overhead:
    return overhead(llama(**more.pop("config", {})), gpu, version, tokens, sequences, **more)


def layer(tp: int = 1, each: int = 2) -> int:
    """Twice the hidden state, and attention (queries, keys and values, their output, the projection) or the network
    (gate and up, their product, the projection), whichever is larger."""
    attention = T * ((32 / tp + 2 * max(1, 8 / tp)) * 128 + 32 / tp * 128 + H) * each
    network = T * (3 * 14336 / tp + H) * each
    return int(2 * T * H * each + max(attention, network))


@pytest.mark.parametrize(
    ("gpu", "base", "kept"),
    [("H100 80GB", 316, EMBEDDING), ("B200", 316, EMBEDDING), ("L4", 117, 0)],
)
def test_second_runner_by_hand(gpu: str, base: int, kept: int) -> None:
    """The compiler times the embedding beside two hidden states; what it leaves reserved depends on the chip."""
    found = of_llama(gpu)
    assert found.activation_peak == EMBEDDING + 2 * HIDDEN
    assert found.non_torch == base * MIB + STATE + kept
    # the CUDA context and handles, and what is allocated after the cache
    assert found.unbudgeted == (480 + 560) * MIB
    assert found.graphs_in_budget


def test_an_unknown_card_is_treated_as_the_newest() -> None:
    unknown = GPU(name="manual GPU", total_bytes=80 << 30, source="manual")
    given = {"tp": 1, "dtype": "bfloat16", "max_num_seqs": R, "max_num_batched_tokens": T, "vllm_version": "0.33.0"}
    found, h100 = (overhead_for(llama(), gpu, **given) for gpu in (unknown, get_gpu_by_name("H100 80GB")))
    assert found._replace(low=h100.low, high=h100.high) == h100
    assert found.low < h100.low < h100.high < found.high, "nobody measured it"


def test_eager_runs_a_layer_or_the_sampler() -> None:
    found = of_llama(enforce_eager=True)
    logits = int(R * V * 14.5 + 64 * MIB)
    assert found.activation_peak == max(layer(), logits)
    assert found.non_torch == HOPPER_BASE * MIB + STATE, "nothing is compiled, so nothing is timed"
    wide = of_llama(enforce_eager=True, sequences=8)
    assert wide.activation_peak == layer()


def test_two_gpus_time_no_embedding() -> None:
    found = of_llama(tp=2)
    assert found.activation_peak == 3 * HIDDEN
    assert found.non_torch == HOPPER_BASE * MIB + STATE
    assert found.unbudgeted - of_llama().unbudgeted == 800 * MIB


def test_no_more_requests_than_tokens() -> None:
    assert of_llama(tokens=100).non_torch == of_llama(tokens=100, sequences=100).non_torch
    assert of_llama(tokens=100, sequences=99).non_torch < of_llama(tokens=100).non_torch


def test_single_precision_doubles_what_is_hidden() -> None:
    given = {"tp": 2, "max_num_seqs": R, "max_num_batched_tokens": T, "vllm_version": "0.33.0"}
    h100 = get_gpu_by_name("H100 80GB")
    single, half = (overhead_for(llama(), h100, dtype=dtype, **given) for dtype in ("float32", "float16"))
    assert single.activation_peak == 2 * half.activation_peak == 6 * HIDDEN


@pytest.mark.parametrize(
    # KiB for each profiled token: where a network merges patches, and where they are pooled
    ("vision", "kib"),
    [({"spatial_merge_size": 2}, 246), ({"merge_kernel_size": [2, 2]}, 246), ({"a": 1}, 191)],
)
def test_an_encoder_may_be_the_peak(vision: dict[str, Any], kib: int) -> None:
    found = of_llama(config={"vision_config": vision})
    assert found.activation_peak == T * kib * KIB > 3 * HIDDEN
    # its output for every token stays, and no embedding is timed beside it
    assert found.non_torch == HOPPER_BASE * MIB + STATE + HIDDEN
    assert of_llama(config={"audio_config": {"a": 1}}).non_torch == found.non_torch


@pytest.mark.parametrize(
    ("version", "sampler", "base", "communicators"),
    [("0.16.0", 38.3, 140, 420), ("0.17.0", 14.5, 140, 420), ("0.28.0", 14.5, 256, 1889)],
)
def test_first_runner_by_hand(version: str, sampler: float, base: int, communicators: int) -> None:
    one, two = of_llama(version=version), of_llama(version=version, tp=2)
    logits = int(R * V * sampler + 64 * MIB)
    assert one.activation_peak == max(layer(), HIDDEN + logits)
    assert one.non_torch == base * MIB
    assert two.non_torch == (base + communicators) * MIB
    few = of_llama(version=version, sequences=1)
    assert few.activation_peak == max(layer(), HIDDEN + int(V * sampler + 64 * MIB))


def test_experts_of_the_first_runner_add_their_workspace() -> None:
    """8192 tokens x 8 experts in two buffers that are never chunked: of 2 x 768 inner values over the GPUs, or 2048."""
    mixture = metadata_from_config(QWEN3_30B_A3B, model_id="m", source="config")

    def workspace(over: int) -> int:
        both = 2 * 768 / over
        return int(T * 8 * 2 * (max(both / 2, 2048) + max(both, 2048)))

    router = int(2 * T * 2048 * 2 + T * (4 * 128 + 2048 * 2))
    attention = int(2 * T * 2048 * 2 + T * ((32 + 8) * 128 + 32 * 128 + 2048) * 2)
    found = overhead(mixture, "H100 80GB", "0.28.0", T, 1)
    logits = int(151_936 * 14.5 + 64 * MIB)
    hidden = T * 2048 * 2
    assert found.activation_peak == max(router, attention, hidden + logits) + workspace(1)
    wide = metadata_from_config(QWEN3_30B_A3B | {"moe_intermediate_size": 8192}, model_id="m", source="config")
    tokens = T * 8 * 2
    for more, over in (({}, 1), ({"tp": 2}, 2), ({"tp": 2, "dp": 2}, 4), ({"tp": 4, "expert_parallel": True}, 1)):
        both = 2 * 8192 / over
        expected = int(tokens * (max(both / 2, 2048) + max(both, 2048)))
        held = overhead(wide, "H100 80GB", "0.33.0", T, R, **more).non_torch
        rest = HOPPER_BASE * MIB + int(4.125 * R * 151_936)
        assert held - rest == expected


@pytest.mark.parametrize(
    ("more", "graphs"),
    [
        # 1, 2, 4, then every 8 below 256 and every 16 up to 512
        ({}, 3 + 31 + 17),
        ({"sequences": 1}, 2 - 1),
        ({"sequences": 3}, 2),
        ({"sequences": 8}, 4),
        ({"sequences": 64}, 11),
        ({"sequences": 256}, 3 + 31 + 1),
        ({"max_cudagraph_capture_size": 64}, 11),
        ({"max_cudagraph_capture_size": 63}, 10),
        # twice the requests, but no more than vLLM's own limit
        ({"sequences": 20}, 5),
        # latency: every batch up to 32
        ({"performance_mode": "interactivity"}, 32 + 27 + 17),
        ({"performance_mode": "throughput"}, 3 + 31 + 17),
        # two tokens drafted beside one: a batch of n takes 3 n
        ({"speculative_tokens": 2, "max_cudagraph_capture_size": 96}, 7),
        ({"gpu": "B200"}, 3 + 31 + 49),
        ({"tokens": 300, "sequences": 1024}, 3 + 31 + 3),
        ({"pp": 2}, (3 + 31 + 17) / 2),
        ({"gpu": "L4"}, 3 + 31 + 17),
    ],
)
def test_graphs_by_batch(more: dict[str, Any], graphs: float) -> None:
    age = "ampere_ada" if more.get("gpu") == "L4" else "hopper_on"
    assert of_llama(**more).cuda_graphs == int(32 * facts()["graph_kib"][age]["dense"] * graphs * KIB)


@pytest.mark.parametrize(
    ("name", "costs"),
    [
        ("meta-llama/Llama-3.1-8B", {"dense": 32}),
        ("deepseek-ai/DeepSeek-V3", {"latent": 61}),
        # heads of 512 in the global layers have no FlashAttention
        ("google/gemma-4-31B-it", {"triton": 60}),
        # a recurrent part with a network behind it counts like attention, one that stands alone does not
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", {"dense": 48}),
        ("state-spaces/mamba-2.8b-hf", {"state": 64}),
    ],
)
def test_what_the_graph_of_a_layer_costs(name: str, costs: dict[str, int]) -> None:
    assert Counter(graph_costs(load_model_metadata(name))) == costs


def test_the_band_by_hand() -> None:
    """A share of what is charged and MiB beside it; where a boot may keep the embedding's block, it holds both."""
    band = facts()["band"]
    for gpu, sure in (("H100 80GB", True), ("L4", False)):
        found = of_llama(gpu)
        below = int(found.budgeted * (1 - band["below_share"])) - band["below"] * MIB
        above = int(found.budgeted * (1 + band["above_share"])) + band["above"] * MIB
        assert found.low == below - (EMBEDDING if sure else 0)
        assert found.high == above + (0 if sure else EMBEDDING)
    old = of_llama(version="0.19.0")
    assert old.budgeted == old.activation_peak + old.non_torch
    assert old.high == int(old.budgeted * (1 + band["above_share"])) + band["above"] * MIB
    sizes = {"hidden_size": 64, "intermediate_size": 64, "vocab_size": 64, "num_hidden_layers": 1, "head_dim": 2}
    assert overhead(llama(**sizes), "L4", "0.33.0", 16, 1).low == 0, "never below nothing"


@pytest.mark.parametrize(("tp", "tokens_each"), [(1, 1), (4, 1), (16, 1)])
def test_a_layer_that_attention_decides(tp: int, tokens_each: int) -> None:
    """A network of 1024: queries, keys and values, their output and the projection are the most at once."""
    narrow = llama(intermediate_size=1024, vocab_size=64)
    attention = T * ((32 / tp + 2 * max(1, 8 / tp)) * 128 + 32 / tp * 128 + H) * 2
    network = T * (3 * 1024 / tp + H) * 2
    assert attention > network
    found = overhead(narrow, "H100 80GB", "0.28.0", T, tokens_each, tp=tp)
    logits = int(64 * tokens_each * 14.5 + 64 * MIB)
    assert found.activation_peak == max(int(2 * HIDDEN + attention), HIDDEN + logits)


def test_a_layer_of_experts_has_a_router_in_single_precision() -> None:
    """Of 2048 experts each token gets a score of four bytes beside its hidden state."""
    many = metadata_from_config(
        QWEN3_30B_A3B | {"num_experts": 2048, "vocab_size": 64, "num_attention_heads": 4, "moe_intermediate_size": 2},
        model_id="m",
        source="config",
    )
    found = overhead(many, "H100 80GB", "0.28.0", T, 1)
    hidden = T * 2048 * 2
    workspace = T * 8 * 2 * (2048 + 2048)
    assert found.activation_peak == 2 * hidden + T * (4 * 2048 + 2048 * 2) + workspace
