"""Weights of a GPU against vLLM's own model classes, and the rules by which they are split."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, LLAMA_70B, QWEN3_30B_A3B
from wizard_tui.models.metadata import ModelMetadata, load_model_metadata, metadata_from_config
from wizard_tui.planning.memory.weights import weights_for

# parameters, buffers and loose tensors of rank 0, counted on the model classes of vLLM 0.33 built on PyTorch's meta
# device as for an H100: model of the catalogue, tensor parallel, expert parallel, bytes
LOADED = (
    ("Qwen/Qwen3-0.6B", 1, False, 1_202_586_272),
    ("Qwen/Qwen3-0.6B", 8, False, 159_613_600),
    ("Qwen/Qwen3-30B-A3B-FP8", 1, False, 31_185_032_704),
    ("Qwen/Qwen3-30B-A3B-FP8", 8, False, 3_955_551_744),
    ("Qwen/Qwen3-32B", 1, False, 65_534_733_824),
    ("Qwen/Qwen3-32B", 8, False, 8_202_202_624),
    ("Qwen/Qwen3-VL-8B-Instruct", 1, False, 17_652_278_592),
    ("Qwen/Qwen3-VL-8B-Instruct", 8, False, 2_318_502_652),
    ("Qwen/Qwen3.5-397B-A17B", 1, False, 793_638_872_008),
    ("Qwen/Qwen3.5-397B-A17B", 8, False, 99_511_524_596),
    ("Qwen/Qwen3.5-397B-A17B", 8, True, 99_511_647_476),
    ("deepseek-ai/DeepSeek-V3", 1, False, 673_171_584_792),
    ("deepseek-ai/DeepSeek-V3", 8, False, 85_161_103_832),
    ("deepseek-ai/DeepSeek-V3", 8, True, 85_161_163_224),
    ("deepseek-ai/DeepSeek-V3.2", 1, False, 674_145_044_248),
    ("deepseek-ai/DeepSeek-V3.2", 8, False, 86_134_563_288),
    ("meta-llama/Meta-Llama-3.1-405B", 1, False, 811_740_335_056),
    ("meta-llama/Meta-Llama-3.1-405B", 8, False, 101_504_158_672),
    ("moonshotai/Kimi-K3", 1, False, 1_560_901_048_608),
    ("moonshotai/Kimi-K3", 8, False, 205_960_378_000),
    ("nvidia/DeepSeek-V4-Flash-NVFP4", 1, False, 165_204_762_844),
    ("nvidia/DeepSeek-V4-Flash-NVFP4", 8, False, 22_268_360_732),
    ("nvidia/Llama-3.1-70B-Instruct-FP8", 1, False, 72_689_933_184),
    ("nvidia/Llama-3.1-70B-Instruct-FP8", 8, False, 9_117_916_032),
    ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 1, False, 63_155_889_552),
    ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", 8, False, 7_914_787_664),
    ("nvidia/Nemotron-H-56B-Base-8K", 1, False, 112_648_728_816),
    ("nvidia/Nemotron-H-56B-Base-8K", 8, False, 14_082_797_296),
    ("nvidia/Qwen3-235B-A22B-NVFP4", 1, False, 134_112_140_160),
    ("nvidia/Qwen3-235B-A22B-NVFP4", 8, False, 16_888_814_464),
    ("nvidia/Qwen3-235B-A22B-NVFP4", 8, True, 16_888_609_920),
    ("openai/gpt-oss-120b", 1, False, 65_282_371_040),
    ("openai/gpt-oss-120b", 8, False, 8_744_722_976),
    ("openai/gpt-oss-120b", 8, True, 8_213_457_440),
    ("zai-org/GLM-5.2", 1, False, 1_486_905_085_776),
    ("zai-org/GLM-5.2", 8, False, 188_748_861_264),
)


@pytest.mark.parametrize(("model", "tp", "expert_parallel", "loaded"), LOADED)
def test_what_vllm_would_load(model: str, tp: int, expert_parallel: bool, loaded: int) -> None:
    weights = weights_for(load_model_metadata(model), tp=tp, expert_parallel=expert_parallel, compute_capability=(9, 0))
    assert weights.bytes == pytest.approx(loaded, rel=0.01)
    assert sum(weights.parts.values()) == pytest.approx(weights.bytes, abs=len(weights.parts))


def test_nine_of_ten_are_within_a_third_of_a_percent() -> None:
    errors = [
        abs(
            weights_for(load_model_metadata(m), tp=tp, expert_parallel=ep, compute_capability=(9, 0)).bytes / loaded - 1
        )
        for m, tp, ep, loaded in LOADED
    ]
    assert sorted(errors)[int(0.9 * len(errors))] < 1 / 300


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
