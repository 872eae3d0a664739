"""Weights of a GPU against vLLM's own model classes, and the rules by which they are split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, LLAMA_70B, QWEN3_30B_A3B
from tests.planning.memory.asked import weights_for
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensors import inventory
from wizard_tui.planning.memory.weights import padded_vocabulary

DATA = Path(__file__).parents[2] / "data"

# of the model classes of vLLM 0.33, see `source` in each line
LOADED = [
    (row["model"], row["tp"], row["expert_parallel"], row["bytes"])
    for row in map(json.loads, (DATA / "loaded_weights.jsonl").read_text(encoding="utf-8").splitlines())
]


@pytest.mark.parametrize(("model", "tp", "expert_parallel", "loaded"), LOADED)
def test_what_vllm_would_load(model: str, tp: int, expert_parallel: bool, loaded: int) -> None:
    weights = weights_for(load_model_metadata(model), tp=tp, expert_parallel=expert_parallel, compute_capability=(9, 0))
    assert weights.bytes == pytest.approx(loaded, rel=0.003)
    assert sum(weights.parts.values()) == pytest.approx(weights.bytes, abs=len(weights.parts))


def test_nineteen_of_twenty_are_within_a_tenth_of_a_percent() -> None:
    errors = [
        abs(
            weights_for(load_model_metadata(m), tp=tp, expert_parallel=ep, compute_capability=(9, 0)).bytes / loaded - 1
        )
        for m, tp, ep, loaded in LOADED
    ]
    assert sorted(errors)[int(0.95 * len(errors))] < 0.001


def made(config: dict[str, Any], **changes: Any) -> ModelMetadata:
    return metadata_from_config(config | changes, model_id="test/made", source="config")


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_a_dense_model_is_split_and_its_norms_are_not(tp: int) -> None:
    whole, split = (weights_for(made(LLAMA_8B), tp=size).parts for size in (1, tp))
    for part in ("attention", "mlp", "embedding", "lm_head"):
        assert split[part] == whole[part] // tp
    assert split["norm_other"] == whole["norm_other"] == (2 * 32 + 1) * 4096 * 2


def test_key_and_value_heads_are_repeated_when_there_are_more_gpus() -> None:
    eight, sixteen = (weights_for(made(LLAMA_70B), tp=tp).parts["attention"] for tp in (8, 16))
    kv_of_one_head = 80 * 2 * 128 * 8192 * 2
    assert sixteen == (eight - kv_of_one_head) // 2 + kv_of_one_head


def test_pipeline_stages_share_the_layers_and_the_ends_hold_the_vocabulary() -> None:
    whole = weights_for(made(LLAMA_8B), tp=1)
    stages = weights_for(made(LLAMA_8B), tp=1, pp=3).bytes_by_rank
    buffers = whole.parts["buffers"]
    assert sum(stages) == whole.bytes + 2 * buffers
    # 32 layers: 10, 11 and 11, what is left over goes before the last
    assert stages[1] < min(stages[0], stages[2])


def test_a_tied_embedding_is_held_twice_when_first_and_last_stage_differ() -> None:
    tied = made(LLAMA_8B, tie_word_embeddings=True)
    embedding = 128256 * 4096 * 2
    one, two = weights_for(tied, tp=1), weights_for(tied, tp=1, pp=2)
    assert sum(two.bytes_by_rank) == one.bytes + embedding + one.parts["buffers"]


def test_experts_are_split_over_tensor_and_data_parallel_or_dealt_out_whole() -> None:
    mixture = made(QWEN3_30B_A3B)
    whole = weights_for(mixture, tp=1).parts["experts"]
    assert weights_for(mixture, tp=2, dp=2).parts["experts"] == whole // 4
    assert weights_for(mixture, tp=4, expert_parallel=True).parts["experts"] == whole // 4
    assert weights_for(mixture, tp=2, dp=2).parts["attention"] == weights_for(mixture, tp=2).parts["attention"]


FORMATS = {
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": 128}, 0.5 + 2.5 / 128),
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}, 0.5 + 2 / 128),
    "gptq-8": ({"quant_method": "gptq", "bits": 8, "group_size": 32, "sym": True}, 1 + 2 / 32),
    "fp8": ({"quant_method": "fp8"}, 1.0),
    "fp8-block": ({"quant_method": "fp8", "weight_block_size": [128, 128]}, 1 + 4 / 128**2),
    "nvfp4": ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, 0.5 + 1 / 16),
    "w4a16": (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "group_0": {"weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}}
            },
        },
        0.5 + 2 / 128,
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_store_so_many_bytes_a_weight(name: str) -> None:
    stated, bytes_each = FORMATS[name]
    plain = weights_for(made(LLAMA_8B), tp=1).parts
    packed = weights_for(made(LLAMA_8B, quantization_config=stated), tp=1).parts
    assert packed["mlp"] == pytest.approx(plain["mlp"] / 2 * bytes_each, rel=2e-4)
    assert packed["embedding"] == plain["embedding"]
    assert packed["lm_head"] == plain["lm_head"]


@pytest.mark.parametrize(
    "ignored",
    [["model.layers.3.mlp.down_proj"], ["re:.*layers\\.3\\.mlp\\.down_proj"], ["model.layers.3.mlp.down*"]],
)
def test_what_a_checkpoint_leaves_alone_keeps_its_precision(ignored: list[str]) -> None:
    stated = {"quant_method": "fp8", "ignore": ignored}
    with_hole, without = (
        weights_for(made(LLAMA_8B, quantization_config=q), tp=1).parts["mlp"] for q in (stated, {"quant_method": "fp8"})
    )
    assert with_hole - without == pytest.approx(4096 * 14336, rel=1e-4)


def test_an_online_method_shrinks_an_unquantised_checkpoint() -> None:
    plain, online = (weights_for(made(LLAMA_8B), tp=1, quantization=q).bytes for q in (None, "fp8_per_tensor"))
    assert 0.5 < online / plain < 0.6


def test_blackwell_pads_the_experts_of_gpt_oss_more_than_hopper() -> None:
    model = load_model_metadata("openai/gpt-oss-120b")
    hopper, blackwell = (weights_for(model, tp=1, compute_capability=c).parts["experts"] for c in ((9, 0), (10, 0)))
    assert 1.05 < blackwell / hopper < 1.15


def headers_of(config: dict[str, Any], factor: float = 1.0) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tensor headers of a checkpoint whose layers are `factor` times as large as the config says."""
    whole = sum(tensor.rows * tensor.columns * times for tensor, times in inventory(made(config)).all_tensors())
    return {"model.all.weight": ("BF16", (round(whole * factor),))}


def test_tensors_that_agree_with_the_config_change_nothing() -> None:
    config = LLAMA_8B
    plain = weights_for(made(config), tp=2)
    read = metadata_from_config(config, model_id="m", source="tensor headers", headers=headers_of(config, 1.004))
    found = weights_for(read, tp=2)
    assert (found.bytes, found.warnings) == (plain.bytes, ())
    assert found.relative_error < plain.relative_error


def test_tensors_that_contradict_the_config_are_followed_with_a_warning() -> None:
    plain = weights_for(made(LLAMA_8B), tp=2)
    read = metadata_from_config(LLAMA_8B, model_id="m", source="tensor headers", headers=headers_of(LLAMA_8B, 1.5))
    found = weights_for(read, tp=2)
    angles = plain.parts["buffers"]
    assert found.bytes - angles == pytest.approx(1.5 * (plain.bytes - angles), rel=0.001)
    assert "the plan follows the tensors" in found.warnings[0]
    assert sum(found.parts.values()) == pytest.approx(found.bytes, abs=len(found.parts))


def test_an_unknown_architecture_is_a_guess_with_a_warning() -> None:
    found = weights_for(made(LLAMA_8B, model_type="never_seen", architectures=["NeverSeenForCausalLM"]), tp=1)
    assert found.relative_error == 0.1
    assert "NeverSeenForCausalLM is not known here" in found.warnings[0]


def test_latent_attention_keeps_unquantised_copies_of_a_quantised_projection() -> None:
    # 512 x 128 heads x 256 x 2 bytes a layer: 1.91 GiB of DeepSeek-V3 on one GPU, a part of it on eight
    one, eight = (weights_for(load_model_metadata("deepseek-ai/DeepSeek-V3"), tp=tp) for tp in (1, 8))
    assert one.after_loading == 61 * 512 * 128 * 256 * 2 == 8 * eight.after_loading
    assert weights_for(load_model_metadata("deepseek-ai/DeepSeek-V2-Lite"), tp=1).after_loading == 0


# https://github.com/vllm-project/vllm/issues/33155 (0.14.1), a start-up log of 0.19.0 and a record of 0.29.0, all H100;
# Marlin on an H100 in 2025: https://github.com/vllm-project/vllm/issues/23278
@pytest.mark.parametrize(
    ("model", "version", "capability", "loaded_gib"),
    [
        ("openai/gpt-oss-120b", "0.14.1", (9, 0), 64.38),
        ("openai/gpt-oss-20b", "0.19.0", (9, 0), 13.47),
        ("openai/gpt-oss-120b", "0.29.0", (9, 0), 61.43),
        ("openai/gpt-oss-120b", "0.29.0", (8, 0), 65.97),
    ],
)
def test_experts_in_mxfp4_by_kernel(model: str, version: str, capability: tuple[int, int], loaded_gib: float) -> None:
    found = weights_for(load_model_metadata(model), tp=1, compute_capability=capability, vllm_version=version)
    assert (found.bytes + found.after_loading) / (1 << 30) == pytest.approx(loaded_gib, rel=0.004)


# Llama 3.1 8B by hand: 4096 wide, 32 heads over 8 of 128, 14336 inside, 128,256 words, 16 bits; both norms of a layer
# and the last one are on every GPU
NORMS, HEADS_OUT, KEYS_VALUES, MLP = 2 * 4096 * 2, 2 * 4096 * 4096 * 2, 2 * 1024 * 4096 * 2, 3 * 14336 * 4096 * 2
VOCABULARY = 128_256 * 4096 * 2
ANGLES = 131_072 * 128 * 2


@pytest.mark.parametrize(("tp", "kv_ways"), [(1, 1), (2, 2), (8, 8), (16, 8)])
def test_a_dense_model_by_hand(tp: int, kv_ways: int) -> None:
    layer = NORMS + HEADS_OUT / tp + KEYS_VALUES / kv_ways + MLP / tp
    found = weights_for(made(LLAMA_8B), tp=tp)
    assert found.parts == {
        "embedding": VOCABULARY // tp,
        "attention": 32 * (HEADS_OUT / tp + KEYS_VALUES / kv_ways),
        "mlp": 32 * MLP / tp,
        "norm_other": 32 * NORMS + 4096 * 2,
        "lm_head": VOCABULARY // tp,
        "buffers": ANGLES,
    }
    assert found.bytes == 2 * VOCABULARY / tp + 32 * layer + 4096 * 2 + ANGLES
    assert found.bytes_by_rank == (found.bytes,)
    assert (found.source, found.relative_error, found.after_loading, found.warnings) == ("config", 0.01, 0, ())


def test_pipeline_stages_by_hand() -> None:
    layer = NORMS + HEADS_OUT + KEYS_VALUES + MLP
    found = weights_for(made(LLAMA_8B), tp=1, pp=3)
    assert found.bytes_by_rank == (
        11 * layer + VOCABULARY + ANGLES,
        11 * layer + ANGLES,
        10 * layer + VOCABULARY + 4096 * 2 + ANGLES,
    )
    # the first is the fullest
    assert found.bytes == found.bytes_by_rank[0]
    assert "lm_head" not in found.parts


def test_a_vocabulary_is_padded_to_64_rows_before_it_is_split() -> None:
    odd = made(LLAMA_8B, vocab_size=1000)
    assert weights_for(odd, tp=4).parts["embedding"] == 1024 // 4 * 4096 * 2
    assert padded_vocabulary(1000) == 1024
    assert padded_vocabulary(1024) == 1024


@pytest.mark.parametrize(("dtype", "bytes_each"), [("float16", 2), ("bfloat16", 2), ("float32", 4)])
def test_precision(dtype: str, bytes_each: int) -> None:
    found = weights_for(made(LLAMA_8B), tp=1, dtype=dtype)
    assert found.parts["mlp"] == 32 * MLP // 2 * bytes_each
    assert found.parts["buffers"] == ANGLES, "angles keep their own precision"


def test_room_for_adapters_by_hand() -> None:
    """Two thin matrices beside each linear one: the side that is split is split."""
    plain, with_room = (
        weights_for(made(LLAMA_8B), tp=2),
        weights_for(made(LLAMA_8B), tp=2, max_loras=3, max_lora_rank=8),
    )
    heads, kv, inner = 4096, 1024, 14336
    sides = (4096 + heads / 2) + 2 * (4096 + kv / 2) + (heads / 2 + 4096) + 2 * (4096 + inner / 2) + (inner / 2 + 4096)
    assert with_room.parts["adapters"] == 32 * sides * 3 * 8 * 2
    assert with_room.bytes - plain.bytes == with_room.parts["adapters"]
    one_stage = weights_for(made(LLAMA_8B), tp=2, pp=2, max_loras=3, max_lora_rank=8)
    assert one_stage.parts["adapters"] == 16 * sides * 3 * 8 * 2
    assert "adapters" not in plain.parts


def test_layers_that_draft_are_on_the_last_stage() -> None:
    plain, two = weights_for(made(LLAMA_8B), tp=1, pp=2), weights_for(made(LLAMA_8B), tp=1, pp=2, draft_layers=2)
    layer = NORMS + HEADS_OUT + KEYS_VALUES + MLP
    draft = 2 * (layer + (2 * 4096 + 3) * 4096 * 2)
    assert two.bytes_by_rank == (plain.bytes_by_rank[0], plain.bytes_by_rank[1] + draft)
    assert two.parts["draft"] == draft


def test_experts_in_blackwells_kernels_are_padded() -> None:
    """gpt-oss: 2880 wide, padded to 2944 inside and 3072 outside but for Hopper; 36 layers of 128 experts, which have
    small biases besides."""
    metadata = load_model_metadata("openai/gpt-oss-120b")
    stored = 17 / 32

    def experts(width: int, hidden: int) -> float:
        return 36 * 128 * 3 * width * hidden * stored

    for capability, tp, width, hidden in (
        ((9, 0), 1, 2880, 2880),
        ((9, 0), 2, 1472, 2880),
        ((9, 0), 8, 384, 2880),
        ((10, 0), 1, 2944, 3072),
        ((10, 0), 2, 1536, 3072),
        ((8, 0), 4, 768, 3072),
    ):
        found = weights_for(metadata, tp=tp, compute_capability=capability, vllm_version="0.33.0")
        assert found.parts["experts"] == pytest.approx(experts(width, hidden), rel=0.005)
        # what Hopper's kernel adds when it lays them out
        share = 0.011 if capability == (9, 0) else 0.0
        assert found.after_loading == pytest.approx(share * found.parts["experts"], rel=0.006)
    unknown = weights_for(metadata, tp=1, compute_capability=None, vllm_version="0.33.0")
    assert unknown == weights_for(metadata, tp=1, compute_capability=(9, 0), vllm_version="0.33.0")
    old = weights_for(metadata, tp=1, compute_capability=(9, 0), vllm_version="0.19.0")
    assert old.parts["experts"] == pytest.approx(experts(2880, 3072), rel=0.002)
    assert old.after_loading == 0


@pytest.mark.parametrize(
    ("source", "error"),
    [("tensor headers", 0.004), ("config", 0.01), ("catalogue", 0.01), ("parameter count", 0.1), ("rumour", 0.01)],
)
def test_the_band_follows_the_source_of_the_facts(source: str, error: float) -> None:
    metadata = metadata_from_config(LLAMA_8B, model_id="m", source=source)
    assert weights_for(metadata, tp=1).relative_error == error


def headed(scale: float, **changed: Any) -> ModelMetadata:
    """Llama 8B whose checkpoint holds `scale` times what its config implies."""
    rows = int(scale * (2 * VOCABULARY + 32 * (NORMS + HEADS_OUT + KEYS_VALUES + MLP) + 4096 * 2) / 4096 / 2)
    return metadata_from_config(
        LLAMA_8B | changed,
        model_id="m",
        source="tensor headers",
        headers={"model.layers.0.all": ("BF16", (rows, 4096))},
    )


def test_differing_tensors_scale_all_but_rotary_tables_and_adapters() -> None:
    implied = weights_for(made(LLAMA_8B), tp=2, pp=2, max_loras=1, max_lora_rank=8)
    made_here = implied.parts["buffers"] + implied.parts["adapters"]
    found = weights_for(headed(1.5), tp=2, pp=2, max_loras=1, max_lora_rank=8)
    assert found.bytes == pytest.approx((implied.bytes - made_here) * 1.5 + made_here, rel=1e-6)
    assert found.parts["mlp"] == pytest.approx(1.5 * implied.parts["mlp"], rel=1e-6)
    assert (found.parts["buffers"], found.parts["adapters"]) == (implied.parts["buffers"], implied.parts["adapters"])
    assert found.bytes_by_rank == pytest.approx(
        [(size - made_here) * 1.5 + made_here for size in implied.bytes_by_rank], rel=1e-6
    )
    assert found.relative_error == 0.02
    (line,) = found.warnings
    assert line == (
        "the checkpoint's tensors take 22.44 GiB where its config implies 14.96; the plan follows the tensors"
    )


@pytest.mark.parametrize(("scale", "kept"), [(1.0, True), (1.009, True), (0.991, True), (1.011, False), (0.98, False)])
def test_a_config_is_believed_to_one_part_in_a_hundred(scale: float, kept: bool) -> None:
    found = weights_for(headed(scale), tp=1)
    assert (found.relative_error == 0.004) == kept
    assert (found.warnings == ()) == kept
    # a method that is asked for changes the bytes, whatever the tensors say
    assert weights_for(headed(1.5), tp=1, quantization="fp8_per_tensor").relative_error == 0.004


def test_gguf_states_its_bits_only_in_its_tensors() -> None:
    found = weights_for(headed(0.3, quantization_config={"quant_method": "gguf"}), tp=1)
    assert found.relative_error == 0.02
    assert found.warnings == ()


def test_an_unknown_architecture_is_a_guess_in_words() -> None:
    strange = {"architectures": ["StrangeForCausalLM"], "model_type": "strange"}
    found = weights_for(made(LLAMA_8B, **strange), tp=1)
    assert found.relative_error == 0.1
    assert found.warnings == (
        "StrangeForCausalLM is not known here; its layers are taken to be like Llama's, which the band of the weights "
        "allows for",
    )
    unnamed = weights_for(made(LLAMA_8B, architectures=[], model_type="strange"), tp=1)
    assert unnamed.warnings[0].startswith("strange is not known here; ")


def test_deeper_vision_features_are_staged_for_every_token() -> None:
    metadata = load_model_metadata("Qwen/Qwen3-VL-8B-Instruct")
    levels = len(metadata.config["vision_config"]["deepstack_visual_indexes"])
    few, many = (weights_for(metadata, tp=1, max_num_batched_tokens=tokens) for tokens in (1000, 3000))
    assert many.bytes - few.bytes == levels * 2000 * metadata.hidden_size * 2
    assert many.parts["buffers"] - few.parts["buffers"] == many.bytes - few.bytes
    assert many.bytes_by_rank[0] - few.bytes_by_rank[0] == many.bytes - few.bytes


def test_experts_over_data_parallel_ranks() -> None:
    """128 experts of 768: slices over TP and DP together, or whole ones dealt out, the last rounded up."""
    mixture, whole = made(QWEN3_30B_A3B), 48 * 128 * 3 * 768 * 2048 * 2
    assert weights_for(mixture, tp=2, dp=3).parts["experts"] == whole // 6
    five = weights_for(mixture, tp=1, dp=5, expert_parallel=True)
    assert five.parts["experts"] == whole * 26 // 128
