"""Platforms and generations."""

from __future__ import annotations

import pytest

from wizard_tui.engine.platforms import (
    generation_of,
    mxfp4_padding,
    nvidia_generation,
    platform_named,
    platform_of_capability,
    platform_of_name,
    platforms,
)


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("NVIDIA R200", "nvidia"),
        ("my card", "nvidia"),
        ("AMD Instinct MI455X", "amd"),
        ("MI455X", "amd"),
        ("mi-455x", "amd"),
        ("Radeon_RX_9090", "amd"),
        ("Minitron 300", "nvidia"),
        ("Gaudi4", "gaudi"),
        ("Intel Gaudi 4", "gaudi"),
        ("Intel Arc Pro B60", "intel"),
        ("arch prototype", "nvidia"),
        ("TPU v7", "tpu"),
        ("Huawei Ascend 910C", "ascend"),
    ],
)
def test_a_name_tells_the_platform(name: str, platform: str) -> None:
    assert platform_of_name(name) == platform


@pytest.mark.parametrize(
    ("capability", "platform"), [("9.0", "nvidia"), ("10.3", "nvidia"), ("gfx90a", "amd"), ("gaudi3", "gaudi")]
)
def test_a_capability_tells_the_platform(capability: str, platform: str) -> None:
    assert platform_of_capability(capability) == platform


def test_a_capability_of_nobody_is_a_fault_of_the_table() -> None:
    with pytest.raises(KeyError):
        platform_of_capability("xyz1")


@pytest.mark.parametrize("name", ["gaudi", "tpu", "intel", "ascend", "something new"])
def test_what_vllm_serves_by_a_plugin_is_a_problem(name: str) -> None:
    platform = platform_named(name)
    assert platform.problem is not None and platform.served_by in platform.problem
    assert platform.image.startswith("your-image")


def test_what_is_planned_for_is_no_problem() -> None:
    assert [name for name, platform in platforms().items() if platform.problem is None] == ["nvidia", "amd"]


@pytest.mark.parametrize(
    ("capability", "nearest"), [("10.7", "10.3"), ("10.1", "10.0"), ("9.1", "9.0"), ("13.0", "12.1"), ("7.2", "7.0")]
)
def test_a_generation_that_is_not_known_is_planned_as_the_next_older_one(capability: str, nearest: str) -> None:
    generation = generation_of("nvidia", capability)
    assert generation == generation_of("nvidia", nearest)
    assert generation.covers(nearest)
    assert not generation.covers(capability)


@pytest.mark.parametrize(("platform", "capability"), [("nvidia", None), ("nvidia", "5.2"), ("amd", "gfx1250")])
def test_where_no_generation_is_near_there_is_one_for_that(platform: str, capability: str | None) -> None:
    generation = generation_of(platform, capability)
    assert (generation.platform, generation.capabilities, generation.measured) == (platform, (), False)


def test_chosen_gpus_are_shown_by_the_variables_of_their_platform() -> None:
    assert platform_named("nvidia").environment((1, 3)) == ("CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=1,3")
    assert platform_named("amd").environment((0,)) == ("HIP_VISIBLE_DEVICES=0",)
    assert platform_named("amd").environment(None) == platform_named("gaudi").environment((0,)) == ()


@pytest.mark.parametrize(
    ("capability", "later", "padding"),
    [
        ((9, 0), False, (64, 1, 0.011)),
        ((9, 0), True, (64, 256, 0.0)),
        ((8, 0), False, (128, 256, 0.0)),
        ((10, 0), True, (128, 256, 0.0)),
        (None, False, (64, 1, 0.011)),
    ],
)
def test_padding_of_mxfp4(capability: tuple[int, int] | None, later: bool, padding: tuple[int, int, float]) -> None:
    assert mxfp4_padding(nvidia_generation(capability), padded_later=later)[:3] == padding
