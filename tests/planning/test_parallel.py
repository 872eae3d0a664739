"""What vLLM 0.33 refuses to split, by model (linear.py, vocab_parallel_embedding.py, fused_moe), and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, QWEN3_30B_A3B
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.parallel import legal_tensor_parallel_sizes, why_not

IN_BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def model(config: dict[str, Any] = LLAMA_8B, **changed: Any) -> ModelMetadata:
    return metadata_from_config(config | changed, model_id="test/model", source="config")


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("meta-llama/Llama-3.1-8B", (1, 2, 4, 8, 16, 32)),
        # 40 heads
        ("Qwen/Qwen2.5-14B-Instruct", (1, 2, 4, 8)),
        # 14 heads over 2 key-value heads
        ("Qwen/Qwen2.5-0.5B-Instruct", (1, 2)),
        ("openai/gpt-oss-120b", (1, 2, 4, 8, 16, 32, 64)),
        # blocks of 128 in experts of 2048
        ("deepseek-ai/DeepSeek-V3", (1, 2, 4, 8, 16)),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", (1, 2, 4, 8, 16)),
    ],
)
def test_sizes_of_real_models(name: str, sizes: tuple[int, ...]) -> None:
    metadata = load_model_metadata(name)
    assert legal_tensor_parallel_sizes(metadata, 64) == sizes
    assert legal_tensor_parallel_sizes(metadata, 2) == sizes[:2]
    for size in range(1, 65):
        assert (why_not(metadata, size) is None) == (size in sizes)


@pytest.mark.parametrize(
    ("changed", "tp", "reason"),
    [
        ({}, 3, "it does not divide the 32 attention heads"),
        (
            {"num_key_value_heads": 6, "num_attention_heads": 24, "head_dim": 128},
            4,
            "the 6 key-value heads can neither be split nor repeated evenly",
        ),
        (
            {"num_attention_heads": 96, "num_key_value_heads": 96, "head_dim": 128, "vocab_size": 32000},
            3,
            "it does not divide the vocabulary, padded to 32,000",
        ),
        ({"intermediate_size": 14340}, 8, "8 does not divide the MLP width of 14,340"),
        (
            {
                "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
                "intermediate_size": 14400,
            },
            4,
            "3600 of the MLP width is no multiple of the fp8 block 128",
        ),
        (
            {"quantization_config": {"quant_method": "gptq", "group_size": 128}, "intermediate_size": 14400},
            4,
            "3600 of the MLP width is no multiple of the quantisation group 128",
        ),
        (
            {
                "quantization_config": {"quant_method": "awq", "group_size": 128},
                "head_dim": 96,
                "intermediate_size": 16384,
            },
            32,
            "96 inputs of the attention output are no multiple of the quantisation group 128",
        ),
        (
            {
                "quantization_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"group_0": {"weights": {"num_bits": 4, "group_size": 128}}},
                },
                "intermediate_size": 14400,
            },
            4,
            "3600 of the MLP width is no multiple of the quantisation group 128",
        ),
    ],
)
def test_the_reason_is_named_with_what_works(changed: dict[str, Any], tp: int, reason: str) -> None:
    metadata = model(**changed)
    legal = ", ".join(map(str, legal_tensor_parallel_sizes(metadata, 64)))
    assert why_not(metadata, tp) == f"tensor parallel {tp} cannot be: {reason}; possible are {legal}"
    assert why_not(metadata, 1) is None, "one GPU splits nothing"


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "fp8", "weight_block_size": [128, 128], "group_size": 4096},
        {"quant_method": "fp8", "weight_block_size": []},
        {"quant_method": "fp8", "weight_block_size": ["128"]},
        {"quant_method": "gptq", "group_size": -1},
        {"quant_method": "gptq", "group_size": "128"},
        {"quant_method": "compressed-tensors", "config_groups": {"a": None, "b": {"weights": None}}},
        {"quant_method": "compressed-tensors", "config_groups": [1]},
    ],
    ids=str,
)
def test_blocks_and_groups_without_a_size_refuse_nothing(quantization: dict[str, Any]) -> None:
    assert why_not(model(quantization_config=quantization), 8) is None


def test_the_vocabulary_is_padded_to_64_first() -> None:
    """50257 words of GPT-2 become 50304: 64 x 786."""
    gpt2 = {"vocab_size": 50257, "num_attention_heads": 48, "num_key_value_heads": 48, "head_dim": 64}
    assert why_not(model(intermediate_size=12288, **gpt2), 3) is None


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"tp": 0}, "parallel sizes are whole numbers from 1 on"),
        ({"tp": 1, "pp": 0}, "parallel sizes are whole numbers from 1 on"),
        ({"tp": 1, "dp": 0}, "parallel sizes are whole numbers from 1 on"),
        ({"tp": 1, "pp": 33}, "33 pipeline stages are more than the 32 layers of the model"),
        ({"tp": 1, "expert_parallel": True}, "expert parallel needs a mixture of experts, which the model is not"),
    ],
)
def test_impossible_layouts(sizes: dict[str, Any], words: str) -> None:
    assert why_not(model(), **sizes) == words


def test_there_can_be_as_many_stages_as_layers() -> None:
    assert why_not(model(), 1, pp=32) is None


def test_experts_are_split_over_tensor_and_data_parallel_unless_whole() -> None:
    """Experts of 768: over 8 GPUs 96 each, which 256 does not divide."""
    mixture = model(QWEN3_30B_A3B)
    assert why_not(mixture, 4, dp=2) is None
    refused = why_not(mixture, 1, dp=5)
    assert refused == ("tensor parallel 1 cannot be: 5 does not divide an expert's width of 768; possible are none")
    assert why_not(mixture, 1, dp=5, expert_parallel=True) is None
    assert why_not(model(), 1, dp=5) is None, "copies of a dense model share nothing"
    in_blocks = model(QWEN3_30B_A3B, quantization_config=IN_BLOCKS)
    assert "96 of an expert's width is no multiple of the fp8 block 128" in str(why_not(in_blocks, 8))
    assert why_not(in_blocks, 8, expert_parallel=True) is None
    # 768 / 2 is three blocks
    assert why_not(in_blocks, 2) is None
    four_bits = model(
        QWEN3_30B_A3B,
        quantization_config=IN_BLOCKS,
        expert_dtype="fp4",
        num_attention_heads=32,
    )
    assert why_not(four_bits, 8) is None, "experts in four bits know no such block"


@pytest.mark.parametrize(
    "shared",
    [
        {"shared_expert_intermediate_size": 500},
        {"moe_shared_expert_intermediate_size": 500},
        # two shared experts of the routed ones' width
        {"n_shared_experts": 2, "moe_intermediate_size": 250},
    ],
)
def test_shared_experts_are_split_by_tensor_parallel_alone(shared: dict[str, Any]) -> None:
    mixture = model(QWEN3_30B_A3B, **shared)
    said = str(why_not(mixture, 8, expert_parallel=True))
    assert "it does not divide the shared experts' width of 500" in said
    assert why_not(mixture, 4, expert_parallel=True) is None


def test_only_dense_layers_of_a_mixture_have_an_mlp_to_split() -> None:
    """Qwen3's experts replace the MLP, whose width no GPU sees; DeepSeek's first layers have one."""
    assert why_not(model(QWEN3_30B_A3B, intermediate_size=6145), 8) is None
    some_dense = model(QWEN3_30B_A3B, intermediate_size=6145, first_k_dense_replace=1)
    assert "8 does not divide the MLP width of 6,145" in str(why_not(some_dense, 8))


def test_recurrent_layers_have_heads_of_their_own() -> None:
    next_80b = load_model_metadata("Qwen/Qwen3-Next-80B-A3B-Instruct")
    assert "heads of the recurrent layers" in str(why_not(next_80b, 64)) or "attention heads" in str(
        why_not(next_80b, 64)
    )
    conv = model(
        model_type="lfm2", layer_types=["conv", "full_attention"] * 16, conv_L_cache=3, hidden_size=4100,
        num_attention_heads=32, head_dim=128,
    )  # fmt: skip
    assert "it does not divide the 4100 channels of the convolution" in str(why_not(conv, 8))
    assert why_not(conv, 4) is None


def test_latent_attention_has_no_heads_to_repeat() -> None:
    deepseek = load_model_metadata("deepseek-ai/DeepSeek-V3")
    assert deepseek.num_attention_heads == 128
    assert why_not(deepseek, 16) is None


def test_heads_of_keys_in_recurrent_layers_are_split_too() -> None:
    """Qwen3-Next's gated DeltaNet: 16 heads of keys, 32 of values, beside 16 heads of attention."""
    metadata = load_model_metadata("Qwen/Qwen3-Next-80B-A3B-Instruct")
    config = dict(metadata.config) | {"linear_num_key_heads": 12, "num_attention_heads": 32, "vocab_size": 32000}
    fewer = metadata_from_config(config, model_id="m", source="config")
    assert "it does not divide the 12 key heads of the recurrent layers" in str(why_not(fewer, 8))


def test_windows_and_cross_attention_have_heads_to_split() -> None:
    """Three key-value heads over two GPUs can neither be split nor repeated, in any kind of attention."""
    windows = model(
        num_attention_heads=24, num_key_value_heads=3, head_dim=128, sliding_window=1024, model_type="mistral",
    )  # fmt: skip
    assert "the 3 key-value heads" in str(why_not(windows, 2))


def test_a_group_of_one_and_a_block_say_what_they_are() -> None:
    ones = {"quant_method": "gptq", "group_size": 1}
    assert why_not(model(quantization_config=ones), 8) is None
    blocks = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    # 14336 / 16 = 896 is seven blocks
    assert why_not(model(quantization_config=blocks), 16) is None
    # one GPU splits nothing, whatever the width
    assert why_not(model(quantization_config=blocks, intermediate_size=14400), 1, dp=2) is None
    odd = model(quantization_config={"quant_method": "gptq", "group_size": 128}, intermediate_size=14400)
    assert why_not(odd, 1, dp=2) is None


def test_groups_of_experts_count_over_all_gpus() -> None:
    """Experts of 768 in groups of 128: six, so over two, three or six GPUs."""
    grouped = model(QWEN3_30B_A3B, quantization_config={"quant_method": "gptq", "group_size": 128})
    assert "192 of an expert's width is no multiple of the quantisation group 128" in str(why_not(grouped, 4))
    assert why_not(grouped, 2) is None


@pytest.mark.parametrize("key", ["shared_intermediate_size", "shared_expert_intermediate_size"])
def test_shared_experts_are_divided_too(key: str) -> None:
    mixture = model(QWEN3_30B_A3B, **{key: 1538})
    assert "shared experts' width of 1,538" in (why_not(mixture, 4) or "")
    assert why_not(mixture, 2) is None


@pytest.mark.parametrize(
    "name",
    [
        "ibm-granite/granite-4.0-h-small",
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct",
        "moonshotai/Kimi-K3",
    ],
)
def test_shared_experts_of_real_models_divide(name: str) -> None:
    assert {1, 2, 4, 8} <= set(legal_tensor_parallel_sizes(load_model_metadata(name), 8))
