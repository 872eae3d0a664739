"""Which layers share a block table, by the rules of vLLM 0.33 `v1/core/kv_cache_planning.py:get_kv_cache_groups`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from wizard_tui.errors import Refusal
from wizard_tui.planning.memory.kv_specs import (
    GROWS_WITH_LENGTH,
    LATENT,
    WINDOWED,
    AttentionSpec,
    LayerSpec,
    SpecKind,
    StateSpec,
    mergeable,
    padded_to,
    uniform_type,
)

BLOCK_OUTERMOST_LAYOUTS = frozenset({"BLHNC", "BLNHC", "BHLNC"})
"""Layouts in which one block holds the pages of all layers side by side, so that pages may differ in size."""

Specs = Mapping[int, LayerSpec]
"""Layer -> spec, in the order in which the model registers its layers."""


class Group(NamedTuple):
    """Layers that share one block table, with the spec of each.

    `packed` marks a group whose pages may differ in size; vLLM calls its spec UniformTypeKVCacheSpecs.
    """

    layers: tuple[int, ...]
    specs: tuple[LayerSpec, ...]
    packed: bool = False

    @property
    def kind(self) -> str:
        """vLLM's name of the group's spec."""
        return "UniformTypeKVCacheSpecs" if self.packed else self.specs[0].kind.value

    @property
    def block_size(self) -> int:
        """Tokens a block spans."""
        return self.specs[0].block_size

    @property
    def bytes_per_block(self) -> int:
        """Bytes that all the group's layers put into one block."""
        return sum(spec.page_size_bytes for spec in self.specs)

    @property
    def page_size_bytes(self) -> int:
        """The page as vLLM reports it: of one layer, or of all layers together where their pages may differ."""
        return self.bytes_per_block if self.packed else self.specs[0].page_size_bytes


def group_layers(specs: Specs, *, hybrid_manager: bool = True, layout: str = "LBNHC") -> tuple[Group, ...]:
    """Split layers into groups. Raises Refusal where vLLM refuses the mix of caches."""
    if not specs:
        return ()
    if not hybrid_manager:
        specs = _promoted(specs)
    values = list(specs.values())
    if mergeable(values):
        return (_group(specs, specs),)
    if uniform_type(values):
        return (_group(specs, specs, packed=True),)
    pages = {spec.page_size_bytes for spec in values}
    if layout in BLOCK_OUTERMOST_LAYOUTS and len(pages) > 1:
        return tuple(_packed_groups(specs))
    unified = _unify_pages(specs, max(pages))
    if unified is None:
        return _full_allocation(specs)
    return tuple(_equal_groups(unified))


def _group(specs: Specs, layers: Iterable[int], *, packed: bool = False) -> Group:
    names = tuple(layers)
    return Group(names, tuple(specs[name] for name in names), packed)


def _promoted(specs: Specs) -> Specs:
    """Allocate windowed and chunked layers as full attention, as vLLM does without the hybrid KV cache manager."""
    values = list(specs.values())
    if mergeable(values) or uniform_type(values):
        return specs
    blocks = {spec.block_size for spec in values if spec.kind in GROWS_WITH_LENGTH}
    if blocks:
        block = blocks.pop() if len(blocks) == 1 else None
        specs = {name: _as_full(spec, block) for name, spec in specs.items()}
        values = list(specs.values())
    if not (mergeable(values) or uniform_type(values)):
        raise Refusal("without the hybrid KV cache manager vLLM cannot hold this mix of caches; leave it enabled")
    return specs


def _as_full(spec: LayerSpec, block_size: int | None) -> LayerSpec:
    if not isinstance(spec, AttentionSpec) or spec.kind not in WINDOWED | {SpecKind.CHUNKED}:
        return spec
    kind = SpecKind.MLA if spec.kind in LATENT else SpecKind.FULL
    promoted = replace(spec, kind=kind, block_size=block_size or spec.block_size, padded=None)
    return padded_to(promoted, max(spec.padded, promoted.page_bytes)) if spec.padded else promoted


def _unify_pages(specs: Specs, largest: int) -> Specs | None:
    """Bring all pages to the largest size: longer blocks where it divides, else padding; None where neither works."""
    unified: dict[int, LayerSpec] = {}
    for name, spec in specs.items():
        page = spec.page_size_bytes
        if page == largest:
            unified[name] = spec
        elif isinstance(spec, StateSpec):
            unified[name] = padded_to(spec, largest)
        elif largest % page == 0:
            longer = replace(spec, block_size=spec.block_size * (largest // page))
            if longer.page_size_bytes != largest:
                return None
            unified[name] = longer
        elif spec.kind is not SpecKind.MLA:
            unified[name] = padded_to(spec, largest)
        else:
            return None
    return unified


def _full_allocation(specs: Specs) -> tuple[Group, ...]:
    """The way out for MLA beside windowed layers whose pages do not divide: allocate all of them as full attention."""
    kinds = {spec.kind for spec in specs.values()}
    if {SpecKind.MLA, SpecKind.SLIDING} <= kinds and not kinds & {SpecKind.SLIDING_MLA, SpecKind.CHUNKED}:
        promoted = _promoted(specs)
        if uniform_type(list(promoted.values())):
            return (_group(promoted, promoted, packed=True),)
    raise Refusal("vLLM cannot bring the cache pages of these layers to one size")


def _equal_groups(specs: Specs) -> Iterable[Group]:
    """Groups of equally many layers with one page size; the last of a kind may have fewer (vLLM pads it)."""
    buckets: list[list[int]] = []
    for spec, names in _by_spec(specs).items():
        for bucket in buckets:
            if mergeable([*(specs[name] for name in bucket), spec]):
                bucket.extend(names)
                break
        else:
            buckets.append(list(names))
    smallest, largest = min(map(len, buckets)), max(map(len, buckets))
    # a few layers more than the smallest kind (a draft layer, say) are padded rather than given a group of their own
    size = largest if largest < smallest * 1.5 else smallest
    for bucket in buckets:
        count = -(-len(bucket) // size)
        # dealt in turn, so that each pipeline stage holds a part of every group
        yield from (_group(specs, bucket[i::count]) for i in range(count))


def _by_spec(specs: Specs) -> dict[LayerSpec, list[int]]:
    found: dict[LayerSpec, list[int]] = defaultdict(list)
    for name, spec in specs.items():
        found[spec].append(name)
    return found


class _Bucket(NamedTuple):
    """Layers of one uniform type, by page size."""

    specs: Specs
    pages: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, specs: Specs) -> _Bucket:
        pages: dict[int, list[int]] = defaultdict(list)
        for name, spec in specs.items():
            pages[spec.page_size_bytes].append(name)
        return cls(specs, pages)

    @property
    def is_state(self) -> bool:
        return isinstance(next(iter(self.specs.values())), StateSpec)

    @property
    def balanced(self) -> bool:
        """Whether every page size has equally many layers: one of each then forms a repeating pattern."""
        return len(set(map(len, self.pages.values()))) == 1

    @property
    def repeats(self) -> int:
        return max(Counter({page: len(names) for page, names in self.pages.items()}).values())

    def widest(self, groups: int) -> int:
        """Bytes in a block of the largest group, when split into this many."""
        return sum(-(-len(names) // groups) * page for page, names in self.pages.items())


def _packed_groups(specs: Specs) -> Iterable[Group]:
    """Groups for a block-outermost layout, in which a block is as wide as the widest group."""
    buckets = [_Bucket.of(bucket) for bucket in _uniform_buckets(specs)]
    balanced = [bucket for bucket in buckets if bucket.balanced]
    # a pattern of several page sizes must stay whole: a group covers at least the longest one
    least = max((bucket.repeats for bucket in balanced if len(bucket.pages) > 1), default=0)
    repeats = _chunk_size([bucket.repeats for bucket in balanced], least) if least else None

    def split(bucket: _Bucket) -> int:
        return -(-bucket.repeats // repeats) if repeats and bucket.balanced else 1

    width = max(bucket.widest(len(bucket.specs) if bucket.is_state else split(bucket)) for bucket in buckets)
    for bucket in buckets:
        count = split(bucket)
        if bucket.is_state:
            # states must not widen the block that attention needs anyway
            fitting = max(width // max(bucket.pages), 1)
            count = max(count, -(-len(bucket.specs) // fitting))
        pattern = list(zip(*bucket.pages.values(), strict=False))
        for i in range(count):
            layers = bucket.specs if count == 1 else [name for repeat in pattern[i::count] for name in repeat]
            yield _group(specs, layers, packed=True)


def _uniform_buckets(specs: Specs) -> list[dict[int, LayerSpec]]:
    buckets: list[dict[int, LayerSpec]] = []
    for name, spec in specs.items():
        for bucket in buckets:
            if uniform_type([*bucket.values(), spec]):
                bucket[name] = spec
                break
        else:
            buckets.append({name: spec})
    return buckets


def _chunk_size(counts: Sequence[int], least: int) -> int:
    """The chunk, at least `least`, that wastes the fewest layers when each count is rounded up to a multiple of it."""
    candidates = range(max(1, least), max(max(counts), least) + 1)
    return min(candidates, key=lambda size: (sum(-count % size for count in counts), -size))
