"""The rest beside weights and cache, against what vLLM measured of itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.planning.conftest import LLAMA_8B, QWEN3_30B_A3B
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.planning.memory.overhead import Overhead, overhead_for
from wizard_tui.schemas.numbers import gib


def overhead(model: ModelMetadata, gpu: str, version: str, tokens: int, sequences: int, **more: Any) -> Overhead:
    return overhead_for(
        model,
        get_gpu_by_name(gpu),
        tp=more.pop("tp", 1),
        dtype="bfloat16",
        max_num_seqs=sequences,
        max_num_batched_tokens=tokens,
        vllm_version=version,
        **more,
    )


# torch's own peak in GiB. 0.29: https://github.com/mondegreens/apron (records/phase-1b-cohort);
# 0.19: https://github.com/llm-d-incubation/llm-d-planner/pull/205 (accuracy/results/v0.19.0/logs)
PEAKS = (
    ("Qwen/Qwen3-1.7B", "L4", "0.29.0", 2048, 256, 1, 0.60),
    ("Qwen/Qwen3-32B", "A100-SXM4-80GB", "0.29.0", 2048, 256, 1, 1.49),
    ("Qwen/Qwen3-32B", "H100 80GB", "0.29.0", 8192, 1024, 1, 1.61),
    ("mistralai/Mistral-7B-Instruct-v0.3", "RTX 4090", "0.29.0", 2048, 256, 1, 0.28),
    ("openai/gpt-oss-120b", "H100 80GB", "0.29.0", 8192, 1024, 1, 1.17),
    ("google/gemma-2-27b-it", "H100 80GB", "0.19.0", 8192, 1024, 1, 3.66),
    ("google/gemma-2-2b-it", "H100 80GB", "0.19.0", 8192, 1024, 1, 3.62),
    ("Qwen/Qwen3-30B-A3B", "H100 80GB", "0.19.0", 8192, 1024, 1, 2.68),
    ("Qwen/Qwen2.5-72B-Instruct", "H100 80GB", "0.19.0", 8192, 1024, 2, 2.29),
)


@pytest.mark.parametrize(("model", "gpu", "version", "tokens", "sequences", "tp", "peak"), PEAKS)
def test_activation_peaks(
    model: str, gpu: str, version: str, tokens: int, sequences: int, tp: int, peak: float
) -> None:
    found = overhead(load_model_metadata(model), gpu, version, tokens, sequences, tp=tp)
    assert gib(found.activation_peak) == pytest.approx(peak, abs=0.12)


def test_the_sum_is_in_its_band_and_its_parts_add_up() -> None:
    found = overhead(load_model_metadata("Qwen/Qwen3-32B"), "H100 80GB", "0.33.0", 8192, 1024)
    assert found.low < found.budgeted < found.high
    assert found.budgeted == found.activation_peak + found.non_torch + found.cuda_graphs


def test_graphs_are_charged_since_021_and_not_at_all_when_eager() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    old, new = (overhead(model, "H100 80GB", version, 8192, 1024) for version in ("0.19.0", "0.21.0"))
    assert old.budgeted_graphs == 0
    assert new.budgeted_graphs == new.cuda_graphs > 0
    assert overhead(model, "H100 80GB", "0.33.0", 8192, 1024, enforce_eager=True).cuda_graphs == 0


def test_fewer_sequences_need_fewer_graphs_and_less_sampler_state() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    many, few = (overhead(model, "H100 80GB", "0.33.0", 8192, sequences) for sequences in (1024, 64))
    # sizes 1, 2, 4 and 8 to 64 in steps of 8, against 51 up to 512
    assert few.cuda_graphs == pytest.approx(many.cuda_graphs * 11 / 51, rel=1e-6)
    # 4.125 bytes for each sequence and word
    assert many.non_torch - few.non_torch == pytest.approx(4.125 * 960 * 128256, rel=1e-6)


def test_experts_keep_a_workspace_that_more_gpus_make_smaller() -> None:
    model = metadata_from_config(QWEN3_30B_A3B, model_id="m", source="config")
    dense = overhead(
        metadata_from_config(LLAMA_8B, model_id="m", source="config"), "H100 80GB", "0.33.0", 8192, 256, tp=4
    )
    four, eight = (overhead(model, "H100 80GB", "0.33.0", 8192, 256, tp=tp) for tp in (4, 8))
    # 8192 tokens x 8 experts x (2048 + 2048) values of 2 bytes
    assert four.non_torch - dense.non_torch == pytest.approx((512 << 20) + 4.125 * 256 * (151936 - 128256), rel=0.02)
    assert eight.non_torch <= four.non_torch


# GiB that stayed beside base and sampler state in boots of 0.29 (https://github.com/mondegreens/apron): the block in
# which the compiler timed the embedding is kept where something lasting lies in it
@pytest.mark.parametrize(
    ("model", "gpu", "tokens", "sequences", "non_torch"),
    [
        ("Qwen/Qwen3-32B", "H100 80GB", 8192, 1024, 2.28),
        ("openai/gpt-oss-120b", "H100 80GB", 8192, 1024, 2.16),
        ("deepseek-ai/DeepSeek-V2-Lite", "A100-SXM4-80GB", 2048, 256, 0.56),
        ("Qwen/Qwen3-32B", "A100-SXM4-80GB", 2048, 256, 0.27),
        ("mistralai/Mistral-7B-Instruct-v0.3", "RTX 4090", 2048, 256, 0.14),
        ("google/gemma-4-31B-it", "H100 80GB", 8192, 1024, 1.44),
    ],
)
def test_what_stays_reserved(model: str, gpu: str, tokens: int, sequences: int, non_torch: float) -> None:
    found = overhead(load_model_metadata(model), gpu, "0.29.0", tokens, sequences)
    assert gib(found.non_torch) == pytest.approx(non_torch, abs=0.08)


def test_where_it_depends_on_the_boot_the_band_has_it() -> None:
    # Qwen3-1.7B on an L4 kept its 0.58 GiB, Qwen3-32B on an A100 did not keep its 1.45
    small = overhead(load_model_metadata("Qwen/Qwen3-1.7B"), "L4", "0.29.0", 2048, 256)
    assert gib(small.non_torch) < 0.3 < 0.84 - 0.26 <= gib(small.high - small.budgeted)


# https://github.com/llm-d/llm-d-benchmark (config_explorer/empirical-vllm-memory-results.md): before 0.17 the sampler's
# dummy run took 38 bytes for each sequence and word
@pytest.mark.parametrize(
    ("model", "tp", "peak"),
    [("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", 2, 4.84), ("openai/gpt-oss-120b", 1, 7.38)],
)
def test_the_sampler_of_old_versions(model: str, tp: int, peak: float) -> None:
    found = overhead(load_model_metadata(model), "H100 80GB", "0.15.0", 8192, 1024, tp=tp)
    # the experts' workspace is beside the sampler's peak
    assert gib(found.activation_peak) == pytest.approx(peak, rel=0.09)


def test_several_gpus_keep_their_communicators_outside_the_budget() -> None:
    model = metadata_from_config(LLAMA_8B, model_id="m", source="config")
    one, two = (overhead(model, "H100 80GB", "0.33.0", 8192, 1024, tp=tp) for tp in (1, 2))
    assert two.unbudgeted > one.unbudgeted
