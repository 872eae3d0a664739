"""What the cache of one layer looks like on one GPU: the shape of a page, and which specs may share a block table.

The classes and their merge rules are those of vLLM 0.33 `v1/kv_cache_interface.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from math import prod
from typing import TypeVar

from wizard_tui.engine.dtype import BYTES_OF_DTYPE

DTYPE_BYTES = BYTES_OF_DTYPE | {"fp8": 1, "uint8": 1}


class SpecKind(str, Enum):
    """How the cache of a layer grows with a request; the value is vLLM's name for it."""

    FULL = "FullAttentionSpec"
    MLA = "MLAAttentionSpec"
    SLIDING = "SlidingWindowSpec"
    SLIDING_MLA = "SlidingWindowMLASpec"
    CHUNKED = "ChunkedLocalAttentionSpec"
    CROSS = "CrossAttentionSpec"
    RING = "CircularBufferSpec"
    STATE = "MambaSpec"


GROWS_WITH_LENGTH = frozenset({SpecKind.FULL, SpecKind.MLA})
WINDOWED = frozenset({SpecKind.SLIDING, SpecKind.SLIDING_MLA})
LATENT = frozenset({SpecKind.MLA, SpecKind.SLIDING_MLA})
"""Kinds that keep one latent vector for a token, with no separate value."""


@dataclass(frozen=True)
class AttentionSpec:
    """Keys and values of one layer on one GPU.

    `window` is the sliding window or the chunk; a full spec may record one too, where a local layer is allocated as a
    full one. `state_bytes` replaces the dense size of one head and state where the content is packed (quantised
    caches), `tokens_per_state` is above 1 where several tokens are compressed into one stored state.
    """

    kind: SpecKind
    block_size: int
    num_kv_heads: int
    head_size: int
    head_size_v: int
    dtype: str
    window: int | None = None
    state_bytes: int | None = None
    head_slots: int | None = None
    tokens_per_state: int = 1
    alignment: int | None = None
    padded: int | None = None

    @property
    def page_bytes(self) -> int:
        """Bytes of one block of this layer, without padding to another layer's page."""
        content = self.state_bytes or (self.head_size + self.head_size_v) * DTYPE_BYTES[self.dtype]
        page = (self.head_slots or self.num_kv_heads) * (self.block_size // self.tokens_per_state) * content
        return -(-page // self.alignment) * self.alignment if self.alignment else page

    @property
    def page_size_bytes(self) -> int:
        """Bytes of one block of this layer."""
        return self.padded or self.page_bytes


@dataclass(frozen=True)
class StateSpec:
    """Recurrent state of one layer (Mamba, gated DeltaNet, KDA, linear attention, short convolution) on one GPU.

    One block holds a whole state, whatever `block_size` says; that is the distance of saved states in tokens.
    """

    block_size: int
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]
    speculative_blocks: int = 0
    checkpoint_blocks: int = 0
    padded: int | None = None

    kind = SpecKind.STATE
    window = None

    @property
    def page_bytes(self) -> int:
        """Bytes of one state."""
        return sum(prod(shape) * DTYPE_BYTES[dtype] for shape, dtype in zip(self.shapes, self.dtypes, strict=True))

    @property
    def page_size_bytes(self) -> int:
        """Bytes of one state, padded to the page of the attention layers where there are any."""
        return self.padded or self.page_bytes


LayerSpec = AttentionSpec | StateSpec
_Spec = TypeVar("_Spec", AttentionSpec, StateSpec)


def padded_to(spec: _Spec, page_size_bytes: int) -> _Spec:
    """The same layer on a larger page."""
    return replace(spec, padded=page_size_bytes)


def mergeable(specs: Sequence[LayerSpec]) -> bool:
    """Whether these specs merge into one: equal, or full attention that differs only in a window recorded on some."""
    different = set(specs)
    if len(different) == 1:
        return True
    if specs[0].kind is not SpecKind.FULL:
        return False
    windows = {spec.window for spec in different} - {None}
    plain = {replace(spec, window=None) if isinstance(spec, AttentionSpec) else spec for spec in different}
    return len(plain) == 1 and len(windows) <= 1


def uniform_type(specs: Sequence[LayerSpec]) -> bool:
    """Whether all these layers need the same number of blocks, though their pages may differ in size."""
    first = specs[0]
    if len({spec.block_size for spec in specs}) > 1:
        return False
    if first.kind in GROWS_WITH_LENGTH:
        return all(spec.kind in GROWS_WITH_LENGTH for spec in specs)
    if first.kind is SpecKind.SLIDING:
        return all(spec.kind in WINDOWED and spec.window == first.window for spec in specs)
    if isinstance(first, StateSpec):
        return all(
            isinstance(spec, StateSpec)
            and (spec.speculative_blocks, spec.checkpoint_blocks, spec.page_size_bytes)
            == (first.speculative_blocks, first.checkpoint_blocks, first.page_size_bytes)
            for spec in specs
        )
    return all(spec.kind is first.kind and spec.window == first.window for spec in specs)
