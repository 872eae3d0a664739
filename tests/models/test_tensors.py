"""Parameters of every family from its config alone, against the totals that the Hub shows for the checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.tensors import count_parameters, inventory


def model(**config: Any) -> ModelMetadata:
    return metadata_from_config(config, model_id="test/model", source="config")


# the total of https://huggingface.co/<id>, and the config.json there
TOTALS: dict[str, tuple[int, dict[str, Any]]] = {
    "facebook/opt-125m": (
        125_239_296,
        {"model_type": "opt", "hidden_size": 768, "ffn_dim": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
         "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 768},
    ),
    "facebook/opt-6.7b": (
        6_658_473_984,
        {"model_type": "opt", "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32,
         "num_attention_heads": 32, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 4096},
    ),
    "openai-community/gpt2-xl": (
        1_557_611_200,
        {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024, "vocab_size": 50257},
    ),
    "bigscience/bloom-560m": (
        559_214_592,
        {"model_type": "bloom", "n_embed": 1024, "hidden_size": 1024, "n_layer": 24, "num_attention_heads": 16,
         "vocab_size": 250880},
    ),
    "bigscience/bloom-7b1": (
        7_069_016_064,
        {"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "num_attention_heads": 32, "vocab_size": 250880},
    ),
    "EleutherAI/gpt-neox-20b": (
        20_554_567_680,
        {"model_type": "gpt_neox", "hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 44,
         "num_attention_heads": 64, "vocab_size": 50432, "max_position_embeddings": 2048,
         "tie_word_embeddings": False},
    ),
    "EleutherAI/gpt-j-6b": (
        6_050_882_784,
        {"model_type": "gptj", "n_embd": 4096, "n_layer": 28, "n_head": 16, "n_positions": 2048, "vocab_size": 50400,
         "rotary_dim": 64, "tie_word_embeddings": False},
    ),
    "mosaicml/mpt-7b": (
        6_649_286_656,
        {"model_type": "mpt", "d_model": 4096, "n_layers": 32, "n_heads": 32, "max_seq_len": 2048,
         "expansion_ratio": 4, "vocab_size": 50432, "no_bias": True},
    ),
    "tiiuae/falcon-7b": (
        6_921_720_704,
        {"model_type": "falcon", "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
         "multi_query": True, "new_decoder_architecture": False, "parallel_attn": True, "bias": False,
         "vocab_size": 65024},
    ),
    "tiiuae/falcon-40b": (
        41_303_293_952,
        {"model_type": "falcon", "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128,
         "num_kv_heads": 8, "new_decoder_architecture": True, "parallel_attn": True, "bias": False,
         "vocab_size": 65024},
    ),
    "microsoft/phi-1_5": (
        1_418_270_720,
        {"model_type": "phi", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
         "num_attention_heads": 32, "vocab_size": 51200, "max_position_embeddings": 2048,
         "tie_word_embeddings": False},
    ),
    "stabilityai/stablelm-2-1_6b": (
        1_644_515_328,
        {"model_type": "stablelm", "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
         "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 100352, "use_qkv_bias": True,
         "max_position_embeddings": 4096, "tie_word_embeddings": False},
    ),
    "internlm/internlm2-chat-20b": (
        19_861_149_696,
        {"model_type": "internlm2", "hidden_size": 6144, "intermediate_size": 16384, "num_hidden_layers": 48,
         "num_attention_heads": 48, "num_key_value_heads": 8, "vocab_size": 92544, "bias": False,
         "max_position_embeddings": 32768, "tie_word_embeddings": False},
    ),
    "baichuan-inc/Baichuan2-7B-Chat": (
        7_505_973_248,
        {"model_type": "baichuan", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "vocab_size": 125696, "max_position_embeddings": 4096,
         "tie_word_embeddings": False},
    ),
    "bigcode/starcoder2-7b": (
        7_173_923_840,
        {"model_type": "starcoder2", "hidden_size": 4608, "intermediate_size": 18432, "num_hidden_layers": 32,
         "num_attention_heads": 36, "num_key_value_heads": 4, "vocab_size": 49152, "use_bias": True,
         "max_position_embeddings": 16384},
    ),
    "state-spaces/mamba-2.8b-hf": (
        2_768_345_600,
        {"model_type": "mamba", "hidden_size": 2560, "intermediate_size": 5120, "num_hidden_layers": 64,
         "state_size": 16, "conv_kernel": 4, "time_step_rank": 160, "vocab_size": 50280},
    ),
    "tiiuae/falcon-mamba-7b": (
        7_272_665_088,
        {"model_type": "falcon_mamba", "hidden_size": 4096, "intermediate_size": 8192, "num_hidden_layers": 64,
         "state_size": 16, "conv_kernel": 4, "time_step_rank": 256, "vocab_size": 65024, "tie_word_embeddings": False},
    ),
    "LiquidAI/LFM2-1.2B": (
        1_170_340_608,
        {"model_type": "lfm2", "hidden_size": 2048, "block_ff_dim": 12288, "block_auto_adjust_ff_dim": True,
         "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0, "intermediate_size": 12288,
         "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "conv_L_cache": 3,
         "conv_dim": 2048, "vocab_size": 65536, "max_position_embeddings": 128000,
         "layer_types": ["conv", "conv", "full_attention", "conv", "conv", "full_attention", "conv", "conv",
                         "full_attention", "conv", "full_attention", "conv", "full_attention", "conv",
                         "full_attention", "conv"], "tie_word_embeddings": True},
    ),
    "allenai/OLMo-7B-hf": (
        6_888_095_744,
        {"model_type": "olmo", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "vocab_size": 50304, "max_position_embeddings": 2048,
         "tie_word_embeddings": False},
    ),
    "databricks/dbrx-base": (
        131_596_523_520,
        {"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "max_seq_len": 32768,
         "attn_config": {"kv_n_heads": 8}, "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16,
                                                          "moe_top_k": 4}, "vocab_size": 100352,
         "tie_word_embeddings": False},
    ),
    "google/gemma-4-31B-it": (
        31_273_088_876,
        {"model_type": "gemma4", "tie_word_embeddings": True,
         "text_config": {"model_type": "gemma4_text", "hidden_size": 5376, "intermediate_size": 21504,
                         "num_hidden_layers": 60, "num_attention_heads": 32, "num_key_value_heads": 16,
                         "num_global_key_value_heads": 4, "head_dim": 256, "global_head_dim": 512,
                         "attention_k_eq_v": True, "vocab_size": 262144, "max_position_embeddings": 262144,
                         "sliding_window": 1024,
                         "layer_types": (["sliding_attention"] * 5 + ["full_attention"]) * 10},
         "vision_config": {"model_type": "gemma4_vision", "hidden_size": 1152, "intermediate_size": 4304,
                           "num_hidden_layers": 27, "num_attention_heads": 16, "patch_size": 16,
                           "position_embedding_size": 10240}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name: str) -> None:
    stated, config = TOTALS[name]
    found = model(**config)
    assert count_parameters(found)[0] == pytest.approx(stated, rel=0.001)
    assert found.family.known


def test_biases_are_split_like_the_outputs_of_their_matrix() -> None:
    found = inventory(
        model(
            model_type="qwen2",
            hidden_size=3584,
            intermediate_size=18944,
            num_hidden_layers=1,
            num_attention_heads=28,
            num_key_value_heads=4,
            vocab_size=152064,
        )
    )
    biases = {tensor.name: tensor for tensor in found.layers[0].tensors if tensor.name.endswith(".bias")}
    assert set(biases) == {f"self_attn.{part}_proj.bias" for part in "qkv"}
    assert (biases["self_attn.q_proj.bias"].split, biases["self_attn.q_proj.bias"].rows) == ("column", 3584)
    assert (biases["self_attn.k_proj.bias"].split, biases["self_attn.k_proj.bias"].rows) == ("heads", 512)
    assert not any(tensor.linear for tensor in biases.values())


def test_a_value_that_is_the_key_is_held_but_not_counted() -> None:
    config = TOTALS["google/gemma-4-31B-it"][1]
    copies = [tensor for tensor, _ in inventory(model(**config)).all_tensors() if tensor.copied]
    assert [(tensor.name, tensor.rows) for tensor in copies] == [("self_attn.v_proj", 4 * 512)]


def test_an_unknown_type_is_told() -> None:
    common = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 128}
    assert not model(model_type="never_seen", **common).family.known
