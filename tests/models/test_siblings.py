"""Quantised checkpoints of a model, by name."""

from __future__ import annotations

import pytest

from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.siblings import plain_name, siblings


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("Qwen/Qwen3-32B-FP8-Static-PerTensor", "qwen3-32b"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "qwen2.5-7b-instruct"),
        ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", "llama-3.1-8b-instruct"),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "llama-3.1-8b-instruct"),
        ("nvidia/Gemma-4-31B-IT-NVFP4", "gemma-4-31b-it"),
        ("deepseek-ai/DeepSeek-V3", "deepseek-v3"),
        ("Qwen/Qwen3-8B-Int", "qwen3-8b-int"),
    ],
)
def test_a_name_without_its_quantisation(model: str, name: str) -> None:
    assert plain_name(model) == name


def test_siblings_are_of_the_same_shape_and_come_by_their_bits() -> None:
    base = load_model_metadata("Qwen/Qwen3-32B")
    found = siblings(base)
    assert [one.model_id for one in found] == [
        "Qwen/Qwen3-32B-FP8",
        "Qwen/Qwen3-32B-FP8-Static-PerTensor",
        "Qwen/Qwen3-32B-AWQ",
    ]
    assert {(one.num_hidden_layers, one.hidden_size) for one in found} == {(64, 5120)}


def test_a_quantised_model_has_none() -> None:
    assert siblings(load_model_metadata("Qwen/Qwen3-32B-AWQ")) == ()
