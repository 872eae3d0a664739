"""Batch limits by GPU: vLLM 0.33, engine/arg_utils.py:get_batch_defaults."""

from __future__ import annotations

import pytest

from wizard_tui.engine.defaults import default_batch_limits
from wizard_tui.engine.versions import rules_for
from wizard_tui.hardware.catalog import get_gpu_by_name

DEFAULTS = rules_for("0.33.0").batch_limits


@pytest.mark.parametrize(
    ("gpu", "tokens", "sequences"),
    [
        ("B200", 16384, 1024),
        ("MI300X", 16384, 1024),
        ("H100 80GB", 8192, 1024),
        ("H200", 8192, 1024),
        ("A100-SXM4-80GB", 2048, 256),
        ("NVIDIA GB10", 2048, 256),
        ("L40S", 2048, 256),
        ("RTX 4090", 2048, 256),
        ("T4", 2048, 256),
    ],
)
def test_limits_of_a_server(gpu: str, tokens: int, sequences: int) -> None:
    found = get_gpu_by_name(gpu)
    limits = default_batch_limits(
        DEFAULTS,
        total_bytes=found.total_bytes,
        gpu_name=found.name,
        compute_capability=found.compute_capability,
        max_model_len=131072,
    )
    assert limits == (tokens, sequences)


@pytest.mark.parametrize(
    ("length", "tokens", "sequences", "limits"),
    [
        (4, None, None, (4096, 1024)),
        (4, None, 16, (64, 16)),
        (131072, 512, None, (512, 512)),
        (131072, 512, 600, (512, 600)),
    ],
)
def test_batch_defaults_are_limited_to_what_can_be_used(
    length: int, tokens: int | None, sequences: int | None, limits: tuple[int, int]
) -> None:
    h100 = get_gpu_by_name("H100 80GB")
    found = default_batch_limits(
        DEFAULTS,
        total_bytes=h100.total_bytes,
        gpu_name=h100.name,
        compute_capability=h100.compute_capability,
        max_model_len=length,
        max_num_batched_tokens=tokens,
        max_num_seqs=sequences,
    )
    assert found == limits
