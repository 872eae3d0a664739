"""Which layers share a block table, worked by hand from vLLM 0.33's v1/core/kv_cache_planning.py."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.planning.memory.test_kv_specs import FULL, LATENT, SLIDING, spec
from wizard_tui.planning.memory.kv_groups import Group, group_layers
from wizard_tui.planning.memory.kv_specs import LayerSpec, SpecKind, StateSpec

PAGE = 16 * 8 * 256 * 2


def state(page: int) -> StateSpec:
    return StateSpec(block_size=544, shapes=((page // 2,),), dtypes=("bfloat16",))


def grouped(*runs: tuple[int, LayerSpec], hybrid_manager: bool = True, layout: str = "LBNHC") -> tuple[Group, ...]:
    layers = [layer for count, layer in runs for _ in range(count)]
    return group_layers(dict(enumerate(layers)), hybrid_manager=hybrid_manager, layout=layout)


def shape(groups: tuple[Group, ...]) -> list[tuple[str, int, int, int]]:
    return [(group.kind, len(group.layers), group.block_size, group.page_size_bytes) for group in groups]


def test_no_layers_are_no_groups() -> None:
    assert group_layers({}) == ()


def test_mergeable_layers_form_one_group() -> None:
    assert shape(grouped((4, FULL))) == [("FullAttentionSpec", 4, 16, PAGE)]
    assert shape(grouped((2, FULL), (2, replace(FULL, window=4096)))) == [("FullAttentionSpec", 4, 16, PAGE)]


def test_pages_of_different_size_may_lie_in_one_block() -> None:
    narrow = spec(num_kv_heads=4)
    (group,) = grouped((2, FULL), (2, narrow))
    assert (group.kind, group.page_size_bytes) == ("UniformTypeKVCacheSpecs", 3 * PAGE)
    assert group.bytes_per_block == 3 * PAGE


def test_layers_are_dealt_in_turn_so_that_every_stage_has_some_of_each_group() -> None:
    groups = grouped((10, SLIDING), (5, FULL))
    assert [group.layers for group in groups] == [(0, 2, 4, 6, 8), (1, 3, 5, 7, 9), (10, 11, 12, 13, 14)]


@pytest.mark.parametrize(
    ("sliding", "full", "sizes"),
    [
        (12, 12, [12, 12]),
        # up to half as many again are padded
        (12, 13, [12, 13]),
        (12, 17, [12, 17]),
        # from there on the smaller kind sets the size
        (12, 18, [12, 9, 9]),
        (24, 5, [5, 5, 5, 5, 4, 5]),
        (1, 40, [1] * 41),
    ],
)
def test_sizes_of_groups(sliding: int, full: int, sizes: list[int]) -> None:
    assert [len(group.layers) for group in grouped((sliding, SLIDING), (full, FULL))] == sizes


def test_a_recorded_window_does_not_separate_full_layers() -> None:
    groups = grouped((3, FULL), (6, SLIDING), (3, replace(FULL, window=4096)))
    assert [group.layers for group in groups] == [(0, 1, 2, 9, 10, 11), (3, 4, 5, 6, 7, 8)]


def test_a_smaller_page_gets_a_longer_block_where_it_divides() -> None:
    narrow = replace(SLIDING, num_kv_heads=2)
    assert shape(grouped((2, narrow), (2, FULL))) == [
        ("SlidingWindowSpec", 2, 64, PAGE),
        ("FullAttentionSpec", 2, 16, PAGE),
    ]


def test_a_page_that_does_not_divide_is_padded() -> None:
    odd = replace(SLIDING, num_kv_heads=3)
    groups = grouped((2, odd), (2, FULL))
    assert shape(groups) == [("SlidingWindowSpec", 2, 16, PAGE), ("FullAttentionSpec", 2, 16, PAGE)]
    assert groups[0].specs[0].page_bytes == 3 * PAGE // 8
    # and one with room of its own that its page does not grow into
    fixed = replace(SLIDING, num_kv_heads=4, padded=PAGE // 2)
    with pytest.raises(ValueError, match="to one size"):
        grouped((2, fixed), (2, FULL))


def test_a_state_is_padded_to_the_page_of_attention() -> None:
    assert shape(grouped((3, state(1000)), (3, FULL))) == [
        ("MambaSpec", 3, 544, PAGE),
        ("FullAttentionSpec", 3, 16, PAGE),
    ]


def test_latent_pages_beside_a_window_that_they_do_not_divide() -> None:
    """Allocated in full where that is possible, else refused."""
    latent = replace(LATENT, block_size=64)
    window = replace(SLIDING, block_size=64)
    (group,) = grouped((4, latent), (1, window))
    assert (group.kind, group.block_size) == ("UniformTypeKVCacheSpecs", 64)
    assert group.page_size_bytes == 64 * (4 * 576 * 2 + 8 * 256 * 2)
    for other in (
        spec(SpecKind.CHUNKED, window=8192, block_size=64),
        spec(SpecKind.SLIDING_MLA, window=128, block_size=64),
    ):
        with pytest.raises(ValueError, match=r"^vLLM cannot bring the cache pages of these layers to one size$"):
            grouped((4, latent), (1, window), (1, other))
        with pytest.raises(ValueError, match=r"^vLLM cannot bring the cache pages of these layers to one size$"):
            grouped((4, latent), (1, other))


def test_without_the_hybrid_manager_windows_are_allocated_in_full() -> None:
    found = grouped((5, SLIDING), (1, FULL), hybrid_manager=False)
    assert shape(found) == [("FullAttentionSpec", 6, 16, PAGE)]
    assert {layer.window for layer in found[0].specs} == {None, 1024}
    # in blocks of the full layers
    found = grouped((5, SLIDING), (1, replace(FULL, block_size=64)), hybrid_manager=False)
    assert shape(found) == [("FullAttentionSpec", 6, 64, 4 * PAGE)]
    chunked = spec(SpecKind.CHUNKED, window=8192)
    assert shape(grouped((3, chunked), (1, FULL), hybrid_manager=False)) == [("FullAttentionSpec", 4, 16, PAGE)]
    latent_window = replace(LATENT, kind=SpecKind.SLIDING_MLA, window=128)
    assert shape(grouped((3, latent_window), (1, LATENT), hybrid_manager=False)) == [
        ("UniformTypeKVCacheSpecs", 4, 16, 4 * 16 * 576 * 2)
    ]
    # where there are no full layers, nothing is promoted
    assert shape(grouped((4, SLIDING), hybrid_manager=False)) == [("SlidingWindowSpec", 4, 16, PAGE)]
    kept = grouped((2, SLIDING), (2, replace(SLIDING, num_kv_heads=4)), hybrid_manager=False)
    assert kept[0].specs[0].kind is SpecKind.SLIDING


def test_a_promoted_page_keeps_its_padding() -> None:
    padded, too_little = replace(SLIDING, padded=2 * PAGE), replace(SLIDING, padded=1)
    (group,) = grouped((1, padded), (1, too_little), (1, FULL), hybrid_manager=False)
    assert [layer.page_size_bytes for layer in group.specs] == [2 * PAGE, PAGE, PAGE]


def test_layers_that_need_the_hybrid_manager() -> None:
    words = r"^without the hybrid KV cache manager vLLM cannot hold this mix of caches; leave it enabled$"
    for runs in (
        ((2, FULL), (2, state(1000))),
        ((2, FULL), (2, replace(FULL, block_size=64)), (2, SLIDING)),
        ((2, SLIDING), (2, replace(SLIDING, window=128))),
    ):
        with pytest.raises(ValueError, match=words):
            grouped(*runs, hybrid_manager=False)


@pytest.mark.parametrize("layout", ["BLHNC", "BLNHC", "BHLNC"])
def test_block_outermost_layouts_fit_states_into_the_blocks_that_attention_needs(layout: str) -> None:
    """Four pages of attention are 262,144 bytes wide: room for two states of 100,000, none of 400,000."""
    attention, two = grouped((4, FULL), (6, state(100_000)), layout=layout)[0], 100_000 * 2
    assert attention.bytes_per_block == 4 * PAGE == 262_144
    assert [group.bytes_per_block for group in grouped((4, FULL), (6, state(100_000)), layout=layout)] == [
        4 * PAGE, two, two, two,
    ]  # fmt: skip
    assert [group.bytes_per_block for group in grouped((4, FULL), (3, state(400_000)), layout=layout)] == [
        4 * PAGE, 400_000, 400_000, 400_000,
    ]  # fmt: skip
    # five states in groups of two, dealt in turn
    assert [group.layers for group in grouped((4, FULL), (5, state(100_000)), layout=layout)] == [
        (0, 1, 2, 3), (4, 7), (5, 8), (6,),
    ]  # fmt: skip


def test_block_outermost_layouts_change_nothing_for_equal_pages() -> None:
    equal = ((4, FULL), (4, SLIDING))
    assert grouped(*equal, layout="BLHNC") == grouped(*equal)


def test_a_pattern_of_several_pages_stays_whole() -> None:
    """Latent and index pages repeat five times: chunks of five layers waste none, and of those the largest is taken."""
    latent, index = replace(LATENT, block_size=64), replace(LATENT, block_size=64, head_size=66)
    window = replace(LATENT, kind=SpecKind.SLIDING_MLA, window=128, block_size=64)
    groups = grouped((5, latent), (5, index), (10, window), layout="BLHNC")
    assert [group.layers for group in groups] == [
        tuple(range(10)),
        (10, 12, 14, 16, 18),
        (11, 13, 15, 17, 19),
    ]
    # where the pages form no pattern, nothing is split
    uneven = grouped((5, latent), (3, index), (10, window), layout="BLHNC")
    assert [len(group.layers) for group in uneven] == [8, 10]


def test_a_pattern_as_long_as_the_longest_bucket_is_one_group() -> None:
    latent, index = replace(LATENT, block_size=64), replace(LATENT, block_size=64, head_size=66)
    window = replace(LATENT, kind=SpecKind.SLIDING_MLA, window=128, block_size=64)
    groups = grouped((4, latent), (4, index), (4, window), layout="BLHNC")
    assert [len(group.layers) for group in groups] == [8, 4]
