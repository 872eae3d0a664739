"""How GPUs hang together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.topology import interconnect_of, recommend_tensor_parallel

H100, RTX_4090 = get_gpu_by_name("H100"), get_gpu_by_name("RTX 4090")


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 1), (2, 2), (3, 2), (4, 4), (6, 4), (7, 4), (8, 8), (16, 16)])
def test_tensor_parallel_is_the_largest_power_of_two_that_fits(count: int, size: int) -> None:
    assert recommend_tensor_parallel([H100] * count) == size


@given(st.lists(st.sampled_from([H100, RTX_4090]), max_size=20))
def test_only_gpus_of_one_kind_share_layers(gpus: list[Any]) -> None:
    size = recommend_tensor_parallel(gpus)
    most = max(gpus.count(H100), gpus.count(RTX_4090), 1)
    assert size <= most < 2 * size
    assert size & (size - 1) == 0


def test_mig_instances_do_not_share_layers() -> None:
    assert recommend_tensor_parallel([get_gpu_by_name("A100 40GB 1g.5gb")] * 7) == 1


def test_interconnect() -> None:
    assert interconnect_of([H100]) == "none"
    assert interconnect_of([H100] * 8) == "nvlink"
    assert interconnect_of([RTX_4090] * 2) == "pcie"
    assert interconnect_of([H100, RTX_4090]) == "pcie"
    assert interconnect_of([H100, replace(H100, interconnect="unknown")]) == "unknown"
    assert interconnect_of([get_gpu_by_name("MI300X")] * 2) == "xgmi"
