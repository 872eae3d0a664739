"""Which GPUs a process may see."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("setting", "indices"),
    [
        ("2,3", [2, 3]),
        ("3,2", [3, 2]),
        (" 1 , 0 ", [1, 0]),
        ("GPU-55555555-aaaa-0000-0000-000000000005", [5]),
        ("GPU-5555,0", [5, 0]),
        ("0,99,1", [0]),
        ("0,0,1", [0]),
        ("-1", []),
        ("", []),
        ("NoDevFiles", []),
        ("GPU-", []),
    ],
)
def test_cuda_visible_devices_is_honoured(machine: Any, setting: str, indices: list[int]) -> None:
    machine.nvidia("h100-x8")
    found = machine.detect(CUDA_VISIBLE_DEVICES=setting)
    assert [gpu.index for gpu in found.gpus] == indices
    assert found.problems[0] == f"CUDA_VISIBLE_DEVICES={setting!r} shows {len(indices)} of 8 GPUs"
    assert len(found.links) == len(indices)


def test_mig_instances_are_visible_by_their_own_uuid_or_their_gpus_index(machine: Any) -> None:
    machine.nvidia("a100-mig")
    (one,) = machine.detect(CUDA_VISIBLE_DEVICES="MIG-22222222-0000-0000-0000-000000000000").gpus
    assert one.mig_profile == "2g.10gb"
    assert [gpu.mig_profile for gpu in machine.detect(CUDA_VISIBLE_DEVICES="0").gpus] == [
        "3g.20gb",
        "2g.10gb",
        "2g.10gb",
    ]
