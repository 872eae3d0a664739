"""The caches of a model's layers on one GPU: heads split by tensor parallel, element sizes and block sizes chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from wizard_tui.engine.kv_cache import (
    PLAIN,
    default_block_size,
    kv_cache_dtypes,
    kv_cache_facts,
    latent_bytes,
    plain_ends,
    state_bytes,
)
from wizard_tui.engine.versions import rules_for
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.caches import AttentionCache, LayerCache, StateCache, StateTensor
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.quantized import kv_cache_scheme
from wizard_tui.planning.memory.kv_specs import LATENT, AttentionSpec, LayerSpec, SpecKind, StateSpec
from wizard_tui.planning.settings import Settings

_KINDS = {
    "full": SpecKind.FULL,
    "sliding": SpecKind.SLIDING,
    "chunked": SpecKind.CHUNKED,
    "cross": SpecKind.CROSS,
    "latent": SpecKind.MLA,
    "index": SpecKind.MLA,
    "compressed": SpecKind.MLA,
    "latent_window": SpecKind.SLIDING_MLA,
    "compressor_state": SpecKind.SLIDING_MLA,
}


class CacheSettings(NamedTuple):
    """The parts of a deployment that shape the cache of one GPU. `kernels`: the attention kernels that vLLM picks
    there, a word of kv_cache.toml; `dcp`: decode context parallel size."""

    kernels: str
    tp: int
    pp: int
    dtype: str
    kv_cache_dtype: str
    block_size: int | None
    align_states: bool
    speculative_tokens: int
    draft_layers: int
    max_num_batched_tokens: int
    vllm_version: str
    dcp: int = 1

    @classmethod
    def of(cls, gpu: GPU, settings: Settings) -> CacheSettings:
        """The parts of a plan's settings that shape the cache."""
        rules = rules_for(settings.vllm_version)
        return cls(
            kernels=gpu.generation.attention_kernels,
            tp=settings.layout.tp,
            pp=settings.layout.pp,
            dtype=settings.dtype,
            kv_cache_dtype=settings.kv_cache_dtype,
            block_size=settings.block_size,
            align_states=settings.enable_prefix_caching and rules.state_prefix_caching,
            speculative_tokens=settings.speculative_tokens,
            draft_layers=settings.draft_layers,
            max_num_batched_tokens=settings.max_num_batched_tokens,
            vllm_version=settings.vllm_version,
        )


class Shards(NamedTuple):
    """The specs of one GPU in the order of the model's caches."""

    specs: tuple[LayerSpec, ...]
    mamba_cache_mode: str
    block_outermost: bool


def shard_layers(metadata: ModelMetadata, caches: Sequence[LayerCache], settings: CacheSettings) -> Shards:
    """The spec of every cache on one GPU. Raises Refusal for a kv_cache_dtype that the model does not support."""
    attention = [kept for kept in caches if isinstance(kept, AttentionCache)]
    states = [kept for kept in caches if isinstance(kept, StateCache)]
    form = stored_dtype(metadata, attention, settings)
    block = settings.block_size or default_block_size(
        _attention_kind(attention), settings.kernels, quantized=form not in PLAIN
    )
    # attention-free models have no prefix caching (config/vllm.py), so nothing to align states with
    mode = "align" if states and attention and settings.align_states else "none"
    gdn = (
        mode == "align"
        and rules_for(settings.vllm_version).gdn_prefill_checkpoints
        and _runs_gdn_kernel(states, settings)
    )
    padded = None
    if states and attention:
        largest = max(_state_spec(kept, settings, 0, 0).page_bytes for kept in states)
        per_token = _largest_token(attention, settings, form)
        block = _aligned_block(block, largest, per_token, latent=attention[0].kind == "latent", gdn=gdn)
        padded = block * per_token
    plain = _plain_layers(attention, settings, bool(states), form)

    @cache
    def spec_of(kept: LayerCache, is_plain: bool) -> LayerSpec:
        # most layers keep the same, so each spec is made once
        if isinstance(kept, AttentionCache):
            return _attention_spec(kept, settings, settings.dtype if is_plain else form, block)
        return _padded(_state_spec(kept, settings, block if mode == "align" else 0, int(gdn)), padded)

    specs = tuple(spec_of(kept._replace(layer=0), kept.layer in plain) for kept in caches)
    return Shards(specs, mode, any(kept.kind == "compressed" for kept in attention))


def stored_dtype(metadata: ModelMetadata, attention: Sequence[AttentionCache], settings: CacheSettings) -> str:
    """The type the cache is stored in: what the flag says, else the checkpoint's own scheme, else the family's,
    else the model's type."""
    asked = settings.kv_cache_dtype
    if asked == "auto":
        of_family = "fp8" if metadata.family.fp8_cache_on == settings.kernels else None
        asked = kv_cache_scheme(metadata) or of_family or settings.dtype
    elif asked not in kv_cache_dtypes():
        raise Refusal(f"unknown kv_cache_dtype {asked!r}; known are auto, {', '.join(kv_cache_dtypes())}")
    elif asked in PLAIN and asked != settings.dtype:
        raise Refusal(f"kv_cache_dtype {asked} needs a model of that type, not {settings.dtype}; use auto")
    kinds = {cache.kind for cache in attention}
    latent, sparse = not kinds.isdisjoint({"latent", "compressed"}), "index" in kinds
    if latent and asked.startswith(("nvfp4", "turboquant", "int")) and asked != "nvfp4_ds_mla":
        raise Refusal(f"kv_cache_dtype {asked} cannot hold multi-head latent attention; use fp8 or auto")
    if asked in kv_cache_facts()["latent_formats"] and not latent:
        raise Refusal(f"kv_cache_dtype {asked} is for multi-head latent attention only; use fp8 or auto")
    if "compressed" in kinds:
        return "fp8_ds_mla"
    if latent and sparse:
        packed = kv_cache_facts()["sparse_latent"]
        in_eight_bits = asked.startswith("fp8") and settings.kernels not in packed["fp8_stays_on"]
        if settings.kernels in packed["always_on"] or in_eight_bits:
            return "fp8_ds_mla"
    return asked


def _attention_kind(attention: Sequence[AttentionCache]) -> str:
    kinds = {cache.kind for cache in attention}
    if "compressed" in kinds:
        return "compressed"
    if "index" in kinds:
        return "sparse_latent" if "latent" in kinds else "block_sparse"
    return "latent" if "latent" in kinds else "heads"


def _heads(cache: AttentionCache, settings: CacheSettings) -> int:
    return max(1, cache.kv_heads // settings.tp)


def _attention_spec(cache: AttentionCache, settings: CacheSettings, form: str, block: int) -> AttentionSpec:
    kind = _KINDS[cache.kind]
    packed, alignment = None, None
    dtype = cache.dtype or (form if form in PLAIN else "uint8")
    if cache.kind in ("compressed", "latent_window"):
        packed = kv_cache_facts()["compressed"]["state_bytes"]
    elif cache.dtype is None and form not in PLAIN:
        packed = (
            latent_bytes(form, cache.head_dim)
            if kind in LATENT
            else state_bytes(form, cache.head_dim, cache.v_head_dim)
        )
    if cache.kind in ("compressed", "latent_window", "compressor_state") or cache.tokens_per_state > 1:
        alignment = kv_cache_facts()["compressed"]["alignment"]
    return AttentionSpec(
        kind=kind,
        block_size=cache.block_size or block,
        num_kv_heads=_heads(cache, settings),
        head_size=cache.head_dim,
        head_size_v=cache.v_head_dim,
        dtype=dtype,
        window=cache.window,
        state_bytes=packed,
        tokens_per_state=cache.tokens_per_state,
        alignment=alignment,
    )


def _plain_layers(attention: Sequence[AttentionCache], settings: CacheSettings, hybrid: bool, form: str) -> set[int]:
    ends = plain_ends(form)
    layers = sorted({cache.layer for cache in attention})
    return set(layers[:ends] + layers[-ends:]) if ends and not hybrid else set()


def _largest_token(attention: Sequence[AttentionCache], settings: CacheSettings, form: str) -> int:
    """Bytes of one token in the widest attention layer."""
    return max(_attention_spec(cache, settings, form, 1).page_bytes for cache in attention if cache.kind != "index")


def _aligned_block(block: int, state: int, per_token: int, *, latent: bool, gdn: bool) -> int:
    """The attention block, lengthened until its page holds a whole state (platforms/interface.py:
    _align_hybrid_block_size)."""
    facts = kv_cache_facts()["hybrid"]
    step = max(block, facts["latent_alignment"]) if latent else block
    if gdn:
        step = math.lcm(step, facts["gdn_alignment"])
    return max(block, step * -(-state // (step * per_token)))


def _runs_gdn_kernel(states: Sequence[StateCache], settings: CacheSettings) -> bool:
    return states[0].kind == "gdn" and settings.kernels in kv_cache_facts()["hybrid"]["gdn_kernels"]


def _state_spec(cache: StateCache, settings: CacheSettings, block: int, checkpoints: int) -> StateSpec:
    return StateSpec(
        block_size=block,
        shapes=tuple(_state_shape(tensor, settings) for tensor in cache.tensors),
        dtypes=tuple(
            settings.dtype if tensor.convolution else cache.dtype or settings.dtype for tensor in cache.tensors
        ),
        speculative_blocks=settings.speculative_tokens,
        checkpoint_blocks=checkpoints,
    )


def _padded(spec: StateSpec, page: int | None) -> StateSpec:
    return replace(spec, padded=page) if page and page != spec.page_bytes else spec


def _state_shape(tensor: StateTensor, settings: CacheSettings) -> tuple[int, ...]:
    groups = tensor.groups
    if groups and groups % settings.tp:
        groups = settings.tp
    rows = (tensor.rows + groups * tensor.group_rows) // settings.tp
    if not tensor.convolution:
        return (rows, *tensor.columns)
    return (rows, tensor.columns[0] + settings.speculative_tokens)
