"""Weights of a GPU against vLLM's own model classes, and the rules by which they are split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, LLAMA_70B, QWEN3_30B_A3B
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensors import inventory
from wizard_tui.planning.memory.weights import weights_for

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


def test_a_tied_embedding_is_there_twice_when_its_ends_are_apart() -> None:
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
