"""Batch limits by GPU: vLLM 0.33, engine/arg_utils.py:get_batch_defaults."""

from __future__ import annotations

import pytest

from wizard_tui.engine.defaults import default_batch_limits
from wizard_tui.hardware.catalog import get_gpu_by_name


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
        total_bytes=found.total_bytes,
        gpu_name=found.name,
        compute_capability=found.compute_capability,
        vllm_version="0.33.0",
    )
    assert limits == (tokens, sequences)
