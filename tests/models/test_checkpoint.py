"""Bytes that the headers of a checkpoint say."""

from __future__ import annotations

from wizard_tui.models.checkpoint import loaded_bytes
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.metadata import Header, ModelMetadata

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "vocab_size": 256,
    "tie_word_embeddings": True,
}


def model(**headers: Header) -> ModelMetadata:
    named = {name.replace("__", "."): header for name, header in headers.items()}
    return metadata_from_config(CONFIG, model_id="m", source="tensor headers", headers=named)


def test_without_headers_nothing_is_said() -> None:
    assert loaded_bytes(model(), 2) is None


def test_weights_are_served_in_one_precision_and_scales_keep_theirs() -> None:
    found = model(
        model__layers__0__mlp__up_proj__weight=("F32", (128, 64)),
        model__layers__0__mlp__down_proj__weight=("F8_E4M3", (64, 128)),
        model__layers__0__mlp__down_proj__weight_scale=("F32", (64, 1)),
        model__layers__1__mlp__down_proj__qweight=("I32", (16, 64)),
    )
    assert loaded_bytes(found, 2) == 2 * 128 * 64 + 64 * 128 + 4 * 64 + 4 * 16 * 64


def test_what_vllm_leaves_aside_is_not_counted() -> None:
    found = model(
        model__embed_tokens__weight=("BF16", (256, 64)),
        lm_head__weight=("BF16", (256, 64)),
        model__layers__2__mlp__up_proj__weight=("BF16", (128, 64)),
        mtp__layers__0__mlp__up_proj__weight=("BF16", (128, 64)),
        model__layers__0__self_attn__rotary_emb__inv_freq=("F32", (8,)),
        visual__blocks__7__attn__qkv__weight=("BF16", (10, 10)),
    )
    assert loaded_bytes(found, 2) == 2 * 256 * 64 + 2 * 100
