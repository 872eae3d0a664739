"""One layer's cache on one GPU: element types, heads, blocks and states, by vLLM 0.33's own rules."""

from __future__ import annotations

from typing import Any

import pytest

from tests.models.test_caches import model
from tests.planning.memory.asked import gpu_of, layout_for
from wizard_tui.models.caches import AttentionCache, LayerCache, StateCache, StateTensor
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.kv_shards import CacheSettings, Shards, shard_layers, stored_dtype
from wizard_tui.planning.memory.kv_specs import AttentionSpec, SpecKind, StateSpec

HEADS = AttentionCache(layer=0, kind="full", kv_heads=8, head_dim=128, v_head_dim=128)
LATENT = AttentionCache(layer=0, kind="latent", kv_heads=1, head_dim=576, v_head_dim=0)
INDEX = AttentionCache(layer=0, kind="index", kv_heads=1, head_dim=132, v_head_dim=0, dtype="uint8")
# 16 heads of 64 beside a convolution of 4 columns over them and two groups of 128
MAMBA2 = StateCache(
    layer=1,
    kind="mamba2",
    tensors=(
        StateTensor(rows=1024, columns=(3,), groups=2, group_rows=256, convolution=True),
        StateTensor(rows=16, columns=(64, 128)),
    ),
)
GDN = StateCache(
    layer=1,
    kind="gdn",
    tensors=(StateTensor(rows=8192, columns=(3,), convolution=True), StateTensor(rows=32, columns=(128, 128))),
)


def settings(**changed: Any) -> CacheSettings:
    values: dict[str, Any] = {
        "kernels": gpu_of(changed.pop("compute_capability", (8, 0))).generation.attention_kernels,
        "tp": 1,
        "pp": 1,
        "dtype": "bfloat16",
        "kv_cache_dtype": "auto",
        "block_size": None,
        "align_states": True,
        "speculative_tokens": 0,
        "draft_layers": 0,
        "max_num_batched_tokens": 8192,
        "vllm_version": "0.33.0",
    }
    return CacheSettings(**(values | changed))


def sharded(*caches: LayerCache, of: ModelMetadata | None = None, **changed: Any) -> Shards:
    return shard_layers(of or model(), caches, settings(**changed))


def one(cache: AttentionCache, **changed: Any) -> AttentionSpec:
    (spec,) = sharded(cache, **changed).specs
    assert isinstance(spec, AttentionSpec)
    return spec


def states(*caches: LayerCache, **changed: Any) -> list[StateSpec]:
    return [spec for spec in sharded(*caches, **changed).specs if isinstance(spec, StateSpec)]


@pytest.mark.parametrize(("tp", "heads"), [(1, 8), (2, 4), (8, 1), (16, 1)])
def test_heads_are_split_and_then_repeated(tp: int, heads: int) -> None:
    assert one(HEADS, tp=tp).num_kv_heads == heads


# bytes of one token in one layer: tables of v1/kv_cache_interface.py and quantization/turboquant/config.py
@pytest.mark.parametrize(
    ("kv_cache_dtype", "bytes_a_token"),
    [
        ("auto", 8 * 256 * 2),
        ("bfloat16", 8 * 256 * 2),
        ("fp8", 8 * 256),
        ("fp8_e5m2", 8 * 256),
        ("int8_per_token_head", 8 * (256 + 8)),
        ("fp8_per_token_head", 8 * (256 + 8)),
        ("int4_per_token_head", 8 * (128 + 8)),
        ("nvfp4", 8 * 2 * (64 + 8)),
    ],
)
def test_bytes_of_a_token(kv_cache_dtype: str, bytes_a_token: int) -> None:
    assert one(HEADS, kv_cache_dtype=kv_cache_dtype).page_bytes == 16 * bytes_a_token


@pytest.mark.parametrize(
    ("kv_cache_dtype", "slot"),
    [("turboquant_k8v4", 196), ("turboquant_4bit_nc", 134), ("turboquant_k3v4_nc", 118), ("turboquant_3bit_nc", 102)],
)
def test_turboquant_keeps_two_layers_at_either_end_plain(kv_cache_dtype: str, slot: int) -> None:
    def cached(layer: int) -> AttentionCache:
        return AttentionCache(layer=layer, kind="full", kv_heads=8, head_dim=128, v_head_dim=128)

    packed, plain = 16 * 8 * slot, 16 * 8 * 256 * 2
    specs = sharded(*map(cached, range(7)), kv_cache_dtype=kv_cache_dtype).specs
    assert [spec.page_size_bytes for spec in specs] == [plain] * 2 + [packed] * 3 + [plain] * 2
    # in a hybrid none stays plain
    mixed = sharded(*map(cached, range(7)), MAMBA2, kv_cache_dtype=kv_cache_dtype)
    assert {spec.state_bytes for spec in mixed.specs if isinstance(spec, AttentionSpec)} == {slot}


# DeepSeek: 512 + 64 values of a latent vector
@pytest.mark.parametrize(
    ("capability", "kv_cache_dtype", "bytes_a_token", "block"),
    [
        ((9, 0), "auto", 1152, 16),
        ((9, 0), "fp8", 576, 64),
        ((10, 0), "auto", 1152, 32),
        ((10, 0), "fp8", 576, 32),
        ((8, 0), "auto", 1152, 16),
        ((9, 0), "fp8_ds_mla", 656, 64),
        ((10, 0), "nvfp4_ds_mla", 352, 32),
    ],
)
def test_latent_attention_by_gpu(
    capability: tuple[int, int], kv_cache_dtype: str, bytes_a_token: int, block: int
) -> None:
    spec = one(LATENT, compute_capability=capability, kv_cache_dtype=kv_cache_dtype)
    assert (spec.kind, spec.block_size, spec.num_kv_heads) == (SpecKind.MLA, block, 1)
    assert spec.page_bytes == block * bytes_a_token


@pytest.mark.parametrize(
    ("capability", "kv_cache_dtype", "bytes_a_token"),
    [
        ((9, 0), "auto", 1152),
        # FLASHMLA_SPARSE, and the one kernel of capability 12, know no other eight-bit format
        ((9, 0), "fp8", 656),
        ((8, 0), "fp8", 656),
        ((12, 0), "auto", 656),
        ((12, 0), "fp8", 656),
        ((10, 0), "fp8", 576),
        ((10, 0), "auto", 1152),
    ],
)
def test_sparse_latent_attention(capability: tuple[int, int], kv_cache_dtype: str, bytes_a_token: int) -> None:
    latent, index = sharded(LATENT, INDEX, compute_capability=capability, kv_cache_dtype=kv_cache_dtype).specs
    assert latent.page_size_bytes == 64 * bytes_a_token
    # the indexer's keys are 8-bit with a scale, whatever the cache is stored in
    assert index.page_size_bytes == 64 * 132


def test_an_indexer_without_latent_attention_has_blocks_of_its_own() -> None:
    """MiniMax-M3: sparse blocks of 128 tokens, plain heads."""
    heads, _ = sharded(HEADS, INDEX).specs
    assert heads.block_size == 128
    assert heads.page_size_bytes == 128 * 8 * 256 * 2


@pytest.mark.parametrize(
    ("caches", "kv_cache_dtype", "words"),
    [
        ((HEADS,), "int3", r"^unknown kv_cache_dtype 'int3'; known are auto, float16, bfloat16, fp8, .*nvfp4_ds_mla$"),
        ((HEADS,), "float16", "^kv_cache_dtype float16 needs a model of that type, not bfloat16; use auto$"),
        ((LATENT,), "nvfp4", "^kv_cache_dtype nvfp4 cannot hold multi-head latent attention; use fp8 or auto$"),
        ((LATENT,), "turboquant_k8v4", "cannot hold multi-head latent attention"),
        ((LATENT,), "int8_per_token_head", "cannot hold multi-head latent attention"),
        (
            (HEADS,),
            "fp8_ds_mla",
            "^kv_cache_dtype fp8_ds_mla is for multi-head latent attention only; use fp8 or auto$",
        ),
        ((HEADS,), "nvfp4_ds_mla", "is for multi-head latent attention only"),
    ],
)
def test_unsupported_cache_formats_are_refused(
    caches: tuple[AttentionCache, ...], kv_cache_dtype: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        sharded(*caches, kv_cache_dtype=kv_cache_dtype)


@pytest.mark.parametrize(
    ("quantization", "stored"),
    [
        ({}, "bfloat16"),
        ({"quant_method": "fp8"}, "bfloat16"),
        # llm-compressor
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 8, "type": "float"}}, "fp8"),
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": {"num_bits": 4, "type": "float"}}, "nvfp4"),
        ({"quant_method": "compressed-tensors", "kv_cache_scheme": None}, "bfloat16"),
        # ModelOpt, in either of its layouts
        ({"quant_method": "modelopt", "kv_cache_quant_algo": "FP8"}, "fp8"),
        ({"quant_method": "modelopt", "quantization": {"kv_cache_quant_algo": "fp8"}}, "fp8"),
        ({"quant_method": "modelopt", "quantization": {"kv_cache_quant_algo": "NVFP4"}}, "nvfp4"),
        ({"quant_method": "modelopt", "quantization": "no table", "kv_cache_quant_algo": "INT9"}, "bfloat16"),
    ],
)
def test_a_checkpoint_may_bring_its_own_scheme(quantization: dict[str, Any], stored: str) -> None:
    config = {"quantization_config": quantization} if quantization else {"model_type": "llama"}
    assert stored_dtype(model(**config), [HEADS], settings()) == stored
    # the user's setting takes precedence
    assert stored_dtype(model(**config), [HEADS], settings(kv_cache_dtype="fp8_e5m2")) == "fp8_e5m2"


def test_glm_is_stored_in_eight_bits_on_blackwell_alone() -> None:
    glm = model(model_type="glm_moe_dsa")
    assert stored_dtype(glm, [LATENT], settings(compute_capability=(10, 0))) == "fp8"
    assert stored_dtype(glm, [LATENT], settings(compute_capability=(9, 0))) == "bfloat16"
    assert stored_dtype(glm, [LATENT], settings(compute_capability=None)) == "bfloat16"
    assert stored_dtype(model(model_type="llama"), [LATENT], settings(compute_capability=(10, 0))) == "bfloat16"


def test_deepseek_v4_pages_are_rounded_to_576() -> None:
    """Bytes of a page: 584 for each state of a block, up to a multiple of 576; a state compresses 4 or 128 tokens
    (v1/kv_cache_interface.py, model_executor of DeepSeek-V4)."""
    found = sharded(
        AttentionCache(layer=0, kind="compressed", kv_heads=1, head_dim=512, v_head_dim=0, tokens_per_state=4),
        AttentionCache(
            layer=0, kind="latent_window", kv_heads=1, head_dim=512, v_head_dim=0, window=128, block_size=64
        ),
        compute_capability=(10, 0),
    )
    assert found.block_outermost
    main, window = found.specs
    assert (main.kind, main.block_size) == (SpecKind.MLA, 256)
    assert main.page_size_bytes == -(-64 * 584 // 576) * 576
    assert (window.kind, window.block_size) == (SpecKind.SLIDING_MLA, 64)
    assert window.page_size_bytes == -(-64 * 584 // 576) * 576
    assert not sharded(LATENT).block_outermost


def test_the_block_grows_until_its_page_holds_a_state() -> None:
    """Granite and Nemotron: a token takes 8 heads x 256 values x 2 bytes = 4096."""
    caches = (HEADS, MAMBA2)
    conv, state = (1024 + 2 * 256) * 3 * 2, 16 * 64 * 128 * 2
    attention, recurrent = sharded(*caches).specs
    assert isinstance(recurrent, StateSpec)
    assert recurrent.page_bytes == conv + state
    # 271,360 bytes are 66.25 tokens, in steps of 16
    assert attention.block_size == 80
    assert attention.page_size_bytes == recurrent.page_size_bytes == 80 * 4096
    assert recurrent.block_size == 80
    assert sharded(*caches).mamba_cache_mode == "align"
    # a larger block that the user asks for stays
    assert sharded(*caches, block_size=128).specs[0].block_size == 128


def test_without_prefix_caching_a_state_has_no_block() -> None:
    found = sharded(HEADS, MAMBA2, align_states=False)
    assert found.mamba_cache_mode == "none"
    assert found.specs[1].block_size == 0
    # and attention-free models have no prefixes to cache
    alone = sharded(MAMBA2)
    assert alone.mamba_cache_mode == "none"
    assert alone.specs[0].page_size_bytes == (1024 + 512) * 3 * 2 + 16 * 64 * 128 * 2


@pytest.mark.parametrize(("tp", "rows"), [(1, 1536), (2, 768), (4, (1024 + 4 * 256) // 4), (8, (1024 + 8 * 256) // 8)])
def test_groups_that_tensor_parallelism_cannot_split_are_repeated(tp: int, rows: int) -> None:
    """Two groups over four GPUs become four, one on each (mamba_utils.py:extra_groups_for_head_shards)."""
    (spec,) = states(MAMBA2, tp=tp)
    assert spec.shapes == ((rows, 3), (16 // tp, 64, 128))


def test_drafts_widen_the_convolution_and_keep_a_state_each() -> None:
    (spec,) = states(GDN, speculative_tokens=2)
    assert spec.shapes == ((8192, 5), (32, 128, 128))
    assert spec.speculative_blocks == 2
    assert spec.checkpoint_blocks == 0


@pytest.mark.parametrize(
    ("capability", "block", "checkpoints"),
    [((8, 0), 544, 0), ((9, 0), 576, 1), ((10, 0), 576, 1), ((12, 0), 576, 1), (None, 544, 0)],
)
def test_the_prefill_kernel_of_gated_deltanet(capability: tuple[int, int] | None, block: int, checkpoints: int) -> None:
    """Qwen3-Next (2 heads of 256): FlashInfer's kernel wants blocks of 64 and one more state."""
    wide = AttentionCache(layer=0, kind="full", kv_heads=2, head_dim=256, v_head_dim=256)
    attention, state = sharded(wide, GDN, compute_capability=capability).specs
    assert isinstance(state, StateSpec)
    assert (attention.block_size, state.checkpoint_blocks) == (block, checkpoints)
    for plain in ({"vllm_version": "0.30.0"}, {"align_states": False}):
        attention, state = sharded(wide, GDN, compute_capability=capability, **plain).specs
        assert isinstance(state, StateSpec)
        assert (attention.block_size, state.checkpoint_blocks) == (544, 0)
    # other recurrent layers have no such kernel
    assert states(wide, MAMBA2, compute_capability=capability)[0].checkpoint_blocks == 0


def test_a_state_may_have_a_type_of_its_own_but_not_its_convolution() -> None:
    kept = StateCache(layer=1, kind="gdn", tensors=GDN.tensors, dtype="float32")
    assert states(kept)[0].dtypes == ("bfloat16", "float32")
    assert states(GDN)[0].dtypes == ("bfloat16", "bfloat16")
    assert states(GDN, dtype="float16")[0].dtypes == ("float16", "float16")


def test_beside_latent_attention_blocks_come_in_128() -> None:
    """Kimi-Linear: 576 x 2 bytes a token beside a state of 32 x 128 x 128."""
    state = StateCache(layer=1, kind="kda", tensors=(StateTensor(rows=32, columns=(128, 128)),), dtype="float32")
    attention, recurrent = sharded(LATENT, state).specs
    assert attention.block_size == 1920 == -(-32 * 128 * 128 * 4 // (128 * 1152)) * 128
    assert recurrent.page_size_bytes == 1920 * 1152


@pytest.mark.parametrize(
    ("name", "bytes_a_block"),
    [
        # 8 bits by the checkpoint's own word, half of what 16 take
        ("nvidia/Llama-3.1-70B-Instruct-FP8", 80 * 16 * 8 * 256),
        ("meta-llama/Llama-3.1-70B", 80 * 16 * 8 * 256 * 2),
    ],
)
def test_real_checkpoints(name: str, bytes_a_block: int) -> None:
    layout = layout_for(load_model_metadata(name), compute_capability=(9, 0), tp=1)
    assert layout.pool.bytes_per_block == bytes_a_block
