"""Which layer keeps what, for every family, from the keys of its config.json (models of those names on the Hub)."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from wizard_tui.models.caches import AttentionCache, StateCache, is_latent, layer_caches, layer_kinds
from wizard_tui.models.metadata import ModelMetadata


def model(layers: int = 8, heads: int = 32, kv_heads: int = 8, head_dim: int = 128, **config: Any) -> ModelMetadata:
    if config:
        config = {"num_attention_heads": heads, **config}
    return ModelMetadata(
        model_id="test/model",
        source="config",
        architecture="",
        model_type=config.get("model_type", ""),
        num_hidden_layers=layers,
        hidden_size=heads * head_dim,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_dim,
        vocab_size=32000,
        max_position_embeddings=4096,
        config=config,
        text_config=config,
    )


def pattern(metadata: ModelMetadata) -> str:
    """One letter a layer: Full, Window, Chunk, State, Both, nothing (.)."""
    letters = {"full": "F", "sliding": "W", "chunked": "C", "state": "S", "both": "B", "none": "."}
    return "".join(letters[kind] for kind in layer_kinds(metadata))


PATTERNS: list[tuple[dict[str, Any], str]] = [
    ({"model_type": "llama"}, "FFFFFFFF"),
    # mistralai/Mistral-7B-v0.1 and -v0.3
    ({"model_type": "mistral", "sliding_window": 4096}, "WWWWWWWW"),
    ({"model_type": "mistral", "sliding_window": None}, "FFFFFFFF"),
    # Qwen/Qwen2.5-7B-Instruct
    ({"model_type": "qwen2", "sliding_window": 131072, "use_sliding_window": False}, "FFFFFFFF"),
    # google/gemma-2-27b-it, google/gemma-3-12b-it, CohereForAI/c4ai-command-r7b-12-2024
    ({"model_type": "gemma2", "sliding_window": 4096}, "WFWFWFWF"),
    ({"model_type": "gemma3_text", "sliding_window": 1024}, "WWWWWFWW"),
    ({"model_type": "cohere2", "sliding_window": 4096, "sliding_window_pattern": 4}, "WWWFWWWF"),
    # LGAI-EXAONE/EXAONE-4.0-32B
    ({"model_type": "exaone4", "sliding_window": 4096, "sliding_window_pattern": "LLLG"}, "WWWFWWWF"),
    # openai/gpt-oss-20b, with and without layer_types
    ({"model_type": "gpt_oss"}, "WFWFWFWF"),
    ({"model_type": "gpt_oss", "sliding_window": 128, "layer_types": ["sliding_attention"] * 8}, "WWWWWWWW"),
    # meta-llama/Llama-4-Scout-17B-16E; HuggingFaceTB/SmolLM3-3B has the interval without chunks
    ({"model_type": "llama4_text", "attention_chunk_size": 8192}, "CCCFCCCF"),
    ({"model_type": "smollm3", "no_rope_layer_interval": 4}, "FFFFFFFF"),
    # XiaomiMiMo/MiMo-V2-Flash
    ({"hybrid_layer_pattern": [0, 1, 1, 1, 1, 1, 0, 1], "sliding_window": 128}, "FWWWWWFW"),
    # Qwen/Qwen3-Next-80B-A3B-Instruct, Qwen/Qwen3.5-27B
    ({"full_attention_interval": 4}, "SSSFSSSF"),
    ({"layer_types": ["linear_attention", "full_attention"] * 4}, "SFSFSFSF"),
    # nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16
    ({"model_type": "nemotron_h", "hybrid_override_pattern": "MEMEM*E-"}, "S.S.SF.."),
    # ai21labs/Jamba-v0.1, ibm-ai-platform/Bamba-9B, LiquidAI/LFM2-1.2B, MiniMaxAI/MiniMax-Text-01
    ({"model_type": "jamba", "attn_layer_period": 8, "attn_layer_offset": 4}, "SSSSFSSS"),
    ({"model_type": "bamba", "attn_layer_indices": [3]}, "SSSFSSSS"),
    ({"model_type": "lfm2", "full_attn_idxs": [2, 5]}, "SSFSSFSS"),
    ({"attn_type_list": [0, 0, 0, 0, 0, 0, 0, 1]}, "SSSSSSSF"),
    # moonshotai/Kimi-Linear-48B-A3B-Instruct counts layers from one
    ({"model_type": "kimi_linear", "linear_attn_config": {"full_attn_layers": [4, 8]}}, "SSSFSSSF"),
    # ibm-granite/granite-4.0-h-small, Zyphra/Zamba2-7B, tiiuae/Falcon-H1-7B
    ({"layer_types": ["mamba", "attention"] * 4}, "SFSFSFSF"),
    ({"layers_block_type": ["mamba", "hybrid"] * 4}, "SBSBSBSB"),
    ({"model_type": "falcon_h1"}, "BBBBBBBB"),
]


@pytest.mark.parametrize(("config", "expected"), PATTERNS)
def test_pattern(config: dict[str, Any], expected: str) -> None:
    assert pattern(model(**config)) == expected


def test_a_model_known_by_numbers_alone_is_full_attention() -> None:
    caches = layer_caches(model(layers=3, kv_heads=4, head_dim=64))
    assert caches == tuple(AttentionCache(layer, "full", 4, 64, 64) for layer in range(3))


def test_pure_state_space_model_has_states_only() -> None:
    """state-spaces/mamba-2.8b-hf"""
    config = {"model_type": "mamba", "intermediate_size": 5120, "state_size": 16, "conv_kernel": 4, "expand": 2}
    metadata = model(layers=2, heads=1, head_dim=2560, **config)
    del metadata.text_config["num_attention_heads"]  # type: ignore[attr-defined]
    for cache in layer_caches(metadata):
        assert isinstance(cache, StateCache)
        assert cache.kind == "mamba1"
        assert [(tensor.rows, tensor.columns) for tensor in cache.tensors] == [(5120, (3,)), (5120, (16,))]


def state(**config: Any) -> StateCache:
    caches = [cache for cache in layer_caches(model(layers=1, **config)) if isinstance(cache, StateCache)]
    return caches[0]


def test_mamba2_state() -> None:
    """nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16: float32 state where the config says nothing, too."""
    cache = state(
        model_type="nemotron_h",
        hybrid_override_pattern="M",
        mamba_num_heads=64,
        mamba_head_dim=64,
        n_groups=8,
        ssm_state_size=128,
        conv_kernel=4,
        expand=2,
    )
    convolution, recurrent = cache.tensors
    assert (convolution.rows, convolution.groups, convolution.group_rows) == (4096, 8, 256)
    assert (recurrent.rows, recurrent.columns, cache.dtype) == (64, (64, 128), "float32")


def test_gated_deltanet_state() -> None:
    """Qwen/Qwen3.5-27B"""
    cache = state(
        layer_types=["linear_attention"],
        linear_num_key_heads=16,
        linear_num_value_heads=48,
        linear_key_head_dim=128,
        linear_value_head_dim=128,
        linear_conv_kernel_dim=4,
        mamba_ssm_dtype="float32",
    )
    assert [(tensor.rows, tensor.columns) for tensor in cache.tensors] == [(10240, (3,)), (48, (128, 128))]
    assert cache.dtype == "float32"


def test_kimi_delta_state() -> None:
    """moonshotai/Kimi-K3"""
    linear = {"full_attn_layers": [2], "num_heads": 96, "head_dim": 128, "short_conv_kernel_size": 4}
    cache = state(model_type="kimi_linear", linear_attn_config=linear)
    assert [(tensor.rows, tensor.columns) for tensor in cache.tensors] == [(36864, (3,)), (96, (128, 128))]
    assert cache.dtype == "float32"


def test_short_convolution_and_linear_attention_states() -> None:
    """LiquidAI/LFM2-1.2B; MiniMaxAI/MiniMax-Text-01"""
    (convolution,) = state(layer_types=["conv"], conv_L_cache=3).tensors
    assert (convolution.rows, convolution.columns, convolution.convolution) == (4096, (2,), True)
    (linear,) = state(attn_type_list=[0]).tensors
    assert (linear.rows, linear.columns) == (32, (128, 128))


def test_latent_attention_needs_a_model_type_that_vllm_knows() -> None:
    """deepseek-ai/DeepSeek-V3; openbmb/MiniCPM3-4B runs as ordinary attention with a key for every head."""
    ranks = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}
    deepseek = model(layers=1, model_type="deepseek_v3", **ranks)
    assert is_latent(deepseek)
    assert layer_caches(deepseek) == (AttentionCache(0, "latent", 1, 576, 0),)
    minicpm = model(layers=1, heads=40, model_type="minicpm3", **ranks)
    assert layer_caches(minicpm) == (AttentionCache(0, "full", 40, 192, 192),)


def test_two_attention_modules_in_a_layer() -> None:
    """meituan-longcat/LongCat-Flash-Chat"""
    longcat = model(layers=2, model_type="longcat_flash", kv_lora_rank=512, qk_rope_head_dim=64)
    assert [cache.layer for cache in layer_caches(longcat)] == [0, 0, 1, 1]


def test_shared_layers_keep_nothing() -> None:
    """google/gemma-3n-E4B-it: the last layers read the cache of earlier ones."""
    metadata = model(sliding_window=512, num_kv_shared_layers=3, layer_types=["sliding_attention"] * 8)
    assert [cache.layer for cache in layer_caches(metadata)] == [0, 1, 2, 3, 4]


def test_global_layers_of_another_shape() -> None:
    """google/gemma-4-31B-it, google/gemma-4-E4B-it, XiaomiMiMo/MiMo-V2-Flash, stepfun-ai/Step-3.5-Flash"""
    types = ["sliding_attention", "full_attention"]
    gemma = {"layer_types": types, "sliding_window": 1024, "global_head_dim": 512}
    wide = model(2, 32, 16, 256, attention_k_eq_v=True, num_global_key_value_heads=4, **gemma)
    assert layer_caches(wide) == (
        AttentionCache(0, "sliding", 16, 256, 256, 1024),
        AttentionCache(1, "full", 4, 512, 512),
    )
    small = model(2, 8, 2, 256, attention_k_eq_v=False, num_global_key_value_heads=None, **gemma)
    assert layer_caches(small)[1] == AttentionCache(1, "full", 2, 512, 512)
    mimo = model(
        *(2, 64, 4, 192),
        hybrid_layer_pattern=[0, 1],
        v_head_dim=128,
        swa_num_key_value_heads=8,
        swa_head_dim=192,
        swa_v_head_dim=128,
        sliding_window=128,
    )
    assert layer_caches(mimo) == (
        AttentionCache(0, "full", 4, 192, 128),
        AttentionCache(1, "sliding", 8, 192, 128, 128),
    )


def test_only_some_layers_have_an_indexer() -> None:
    """deepseek-ai/DeepSeek-V3.2 in all; zai-org/GLM-5.2 and MiniMaxAI/MiniMax-M3 in some"""
    latent = {"kv_lora_rank": 512, "qk_rope_head_dim": 64, "index_topk": 2048, "index_head_dim": 128}
    everywhere = layer_caches(model(2, model_type="deepseek_v32", **latent))
    assert [(cache.kind, cache.head_dim) for cache in everywhere] == [("latent", 576), ("index", 132)] * 2
    some = layer_caches(model(3, model_type="glm_moe_dsa", indexer_types=["full", "shared", "shared"], **latent))
    assert [cache.kind for cache in some] == ["latent", "index", "latent", "latent"]
    sparse = {"sparse_attention_freq": [0, 1], "sparse_index_dim": 128}
    minimax = layer_caches(model(2, sparse_attention_config=sparse))
    assert [cache.kind for cache in minimax] == ["full", "full", "index"]


def test_compressed_latent_layers() -> None:
    """deepseek-ai/DeepSeek-V4-Flash"""
    caches = layer_caches(
        model(
            *(3, 64, 1, 512),
            model_type="deepseek_v4",
            compress_ratios=[0, 4, 128, 0],
            sliding_window=128,
            index_head_dim=128,
            index_topk=512,
        )
    )
    assert Counter(cache.kind for cache in caches) == Counter(
        latent_window=3, compressed=2, compressor_state=3, index=1
    )
    states = [cache for cache in caches if isinstance(cache, AttentionCache) and cache.kind == "compressor_state"]
    assert [(cache.head_dim, cache.window, cache.block_size) for cache in states] == [
        (2048, 8, 4),
        (512, 8, 4),
        (1024, 128, 8),
    ]


def test_encoder_decoder_has_cross_attention() -> None:
    """openai/whisper-large-v3"""
    caches = layer_caches(model(2, 20, 20, 64, model_type="whisper", is_encoder_decoder=True))
    assert [cache.kind for cache in caches] == ["full", "cross", "full", "cross"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"layer_types": ["quantum_attention"] * 8}, "unknown layer kind 'quantum_attention' in `layer_types`"),
        ({"layer_types": ["full_attention"]}, "describes 1 of its 8 layers"),
        ({"layer_types": ["linear_attention"] * 8, "linear_num_value_heads": 4}, "lacks 'linear_value_head_dim'"),
    ],
)
def test_bad_config_is_a_sentence(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        layer_caches(model(**config))
