"""The KV cache of a model on one GPU: its layers sharded and grouped once, capacity by arithmetic afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from wizard_tui.engine.versions import VersionRules, rules_for
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.caches import AttentionCache, LayerCache, layer_caches
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.kv_cache import BlockPool, Limits
from wizard_tui.planning.memory.kv_groups import Group, group_layers
from wizard_tui.planning.memory.kv_shards import CacheSettings, shard_layers
from wizard_tui.planning.memory.kv_specs import LayerSpec, SpecKind, StateSpec
from wizard_tui.planning.memory.stages import stage_of
from wizard_tui.planning.settings import Settings


class KVGroup(NamedTuple):
    """Layers that share one block table, as vLLM reports them; sizes are bytes."""

    kind: str
    layers: int
    block_size: int
    page_size_bytes: int


class KVCache(NamedTuple):
    """What a given number of bytes holds at one max_model_len, in vLLM's own figures; sizes are bytes.

    `tokens` is "GPU KV cache size", `max_concurrency` "Maximum concurrency". `admitted` says that vLLM starts: one
    request of max_model_len fits beside the null block; `estimated_max_model_len` is the longest that would.
    `state_blocks` bounds max_num_seqs where layers have recurrent states, and is None elsewhere.
    """

    block_size: int
    bytes_per_block: int
    num_blocks: int
    tokens: int
    max_concurrency: float
    bytes_per_request: int
    blocks_per_request: int
    estimated_max_model_len: int
    groups: tuple[KVGroup, ...]
    admitted: bool
    state_blocks: int | None = None


class KVLayout(NamedTuple):
    """The cache of one GPU, ready for any length and any number of bytes. Get one from `kv_layout`."""

    pool: BlockPool
    groups: tuple[KVGroup, ...]
    block_size: int
    has_state: bool
    group_aware_tokens: bool
    context_shards: int

    @classmethod
    def of(
        cls, groups: Sequence[Group], limits: Limits, rules: VersionRules, bytes_per_block: int | None = None
    ) -> KVLayout:
        """The layout of these groups; `bytes_per_block` is for a pipeline stage that holds only a part of them."""
        return cls(
            pool=BlockPool.of(groups, limits, bytes_per_block),
            groups=tuple(KVGroup(g.kind, len(g.layers), g.block_size, g.page_size_bytes) for g in groups),
            block_size=min((group.block_size for group in groups if group.block_size), default=0),
            has_state=any(isinstance(spec, StateSpec) for group in groups for spec in group.specs),
            group_aware_tokens=rules.group_aware_tokens,
            context_shards=limits.dcp,
        )

    def request_bytes(self, length: int) -> int:
        """Bytes that one request of `length` tokens may need at once."""
        return self.pool.bytes_per_block * self.pool.blocks_per_request(length)

    def largest_len(self, available_bytes: int, requests: int, limit: int) -> int:
        """The longest length up to `limit` at which `requests` fit beside the null block; 0 when none does."""
        return self.pool.largest_len(self.pool.num_blocks(available_bytes) - 1, limit, requests)

    def max_concurrency(self, available_bytes: int, length: int) -> float:
        """Requests of `length` tokens that fit at once, as vLLM logs it."""
        per_request = self.pool.blocks_per_request(length)
        return self.pool.num_blocks(available_bytes) / per_request if per_request else math.inf

    def tokens(self, available_bytes: int, length: int) -> int:
        """The cache in tokens at a max_model_len of `length`, as vLLM logs it."""
        blocks = self.pool.num_blocks(available_bytes)
        if self.groups and not self.group_aware_tokens:
            return blocks // len(self.groups) * self._block_size(length) * self.context_shards
        per_request = self.pool.blocks_per_request(length)
        return int(blocks / per_request * length) if per_request else 0

    def capacity(self, available_bytes: int, length: int) -> KVCache:
        """Every figure for `available_bytes` at a max_model_len of `length`. A model without cache has no limit."""
        pool = self.pool
        blocks, per_request = pool.num_blocks(available_bytes), pool.blocks_per_request(length)
        concurrency = blocks / per_request if per_request else 0.0
        admitted = not self.groups or 0 < per_request < blocks
        return KVCache(
            block_size=self._block_size(length),
            bytes_per_block=pool.bytes_per_block,
            num_blocks=blocks,
            tokens=self.tokens(available_bytes, length),
            max_concurrency=concurrency,
            bytes_per_request=pool.bytes_per_block * per_request,
            blocks_per_request=per_request,
            estimated_max_model_len=length if admitted else pool.largest_len(blocks - 1, length),
            groups=tuple(self._group(group, length) for group in self.groups),
            admitted=admitted,
            state_blocks=blocks if self.has_state else None,
        )

    def _block_size(self, length: int) -> int:
        return self.block_size or length

    def _group(self, group: KVGroup, length: int) -> KVGroup:
        # without prefix caching a state stands for the whole request, and vLLM calls that its block
        return group if group.block_size else group._replace(block_size=length)


def kv_layout_of(metadata: ModelMetadata, gpu: GPU, settings: Settings) -> KVLayout:
    """Shard and group the caches of a model; the pipeline stage with the largest blocks decides.

    Layers that draft (EAGLE, MTP) have caches shaped like that of the model's last layer. Raises Refusal where vLLM
    refuses the mix, an unknown `kv_cache_dtype` included.
    """
    return kv_layout(metadata, CacheSettings.of(gpu, settings))


@lru_cache(maxsize=1024)
def kv_layout(metadata: ModelMetadata, settings: CacheSettings) -> KVLayout:
    """The same, from only the inputs that shape the cache."""
    rules, pp = rules_for(settings.vllm_version), settings.pp
    caches = _with_draft(layer_caches(metadata), settings.draft_layers, metadata.num_hidden_layers)
    shards = shard_layers(metadata, caches, settings)
    groups = group_layers(
        dict(enumerate(shards.specs)),
        hybrid_manager=_hybrid_manager(shards.specs, rules),
        layout="BLHNC" if shards.block_outermost else "LBNHC",
    )
    limits = Limits(
        max_in_flight_tokens=rules.max_concurrent_batches(pp) * settings.max_num_batched_tokens,
        dcp=settings.dcp,
        mamba_cache_mode=shards.mamba_cache_mode,
        max_num_encoder_input_tokens=settings.max_num_batched_tokens,
    )
    held_by = [stage_of(cache.layer, metadata.num_hidden_layers, pp) for cache in caches]
    return KVLayout.of(groups, limits, rules, _bytes_per_block(groups, held_by, pp))


def _with_draft(caches: tuple[LayerCache, ...], count: int, layers: int) -> tuple[LayerCache, ...]:
    """A draft head keeps a cache like that of the last layer with attention, on the last stage."""
    attention = [cache for cache in caches if isinstance(cache, AttentionCache) and cache.kind in ("full", "latent")]
    return caches + (attention[-1]._replace(layer=layers),) * count if attention else caches


def _hybrid_manager(specs: Sequence[LayerSpec], rules: VersionRules) -> bool:
    return rules.hybrid_chunks or all(spec.kind is not SpecKind.CHUNKED for spec in specs)


def _bytes_per_block(groups: Sequence[Group], held_by: Sequence[int], pp: int) -> int:
    """Bytes per block on the fullest stage: groups span the whole model, and each stage holds its own layers of
    them."""
    return max(
        (
            sum(
                spec.page_size_bytes
                for name, spec in zip(group.layers, group.specs, strict=True)
                if held_by[name] == stage
            )
            for group in groups
            for stage in range(pp)
        ),
        default=0,
    )
