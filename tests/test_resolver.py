"""Which GPUs a request means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wizard_tui.hardware.gpu import GPU
from wizard_tui.resolver import resolve_gpus
from wizard_tui.schemas.inputs import HardwareInput
from wizard_tui.schemas.numbers import GIB

CARD = GPU(name="NVIDIA GeForce RTX 4090", total_bytes=25_250_627_584, index=0)
BOX = (CARD, replace(CARD, index=1, used_bytes=3 * GIB), replace(CARD, index=2))


def hardware(**fields: Any) -> HardwareInput:
    return HardwareInput.model_validate(fields)


def test_auto_takes_the_first_detected() -> None:
    assert resolve_gpus(hardware(gpus=2), BOX) == BOX[:2]


def test_indices_choose_among_the_detected() -> None:
    assert [gpu.index for gpu in resolve_gpus(hardware(indices=[2, 0]), BOX)] == [2, 0]
    with pytest.raises(ValueError, match="GPU 7 is not in this machine; it has 0, 1, 2"):
        resolve_gpus(hardware(indices=[7]), BOX)


def test_a_name_is_replicated() -> None:
    gpus = resolve_gpus(hardware(gpu="H100 80GB", gpus=4), BOX)
    assert len(gpus) == 4
    assert {gpu.name for gpu in gpus} == {"NVIDIA H100 80GB HBM3"}


def test_memory_overrides_a_named_gpu_and_keeps_its_speed() -> None:
    (gpu,) = resolve_gpus(hardware(gpu="H100 NVL", vram_gb=94), ())
    assert gpu.total_bytes == 94 * GIB
    assert gpu.bandwidth_gb_s


@pytest.mark.parametrize(
    ("name", "vendor"),
    [("auto", "nvidia"), ("Some Prototype", "nvidia"), ("AMD Instinct MI455X", "amd"), ("Gaudi 4", "gaudi")],
)
def test_memory_alone_makes_a_manual_gpu(name: str, vendor: str) -> None:
    (gpu,) = resolve_gpus(hardware(gpu=name, vram_gb=48), ())
    assert gpu.total_bytes == 48 * GIB
    assert (gpu.source, gpu.vendor) == ("manual", vendor)


def test_nothing_there_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"set gpu to a name .* vram_gb"):
        resolve_gpus(hardware(), ())


def test_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="4 GPUs were asked for, but this machine shows 3"):
        resolve_gpus(hardware(gpus=4), BOX)


def test_used_memory_is_the_users_word() -> None:
    (gpu,) = resolve_gpus(hardware(gpu="H100", used_gib=2.5), ())
    assert gpu.used_bytes == int(2.5 * GIB)
