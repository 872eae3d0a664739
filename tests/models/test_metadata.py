"""What a model's facts say of themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wizard_tui.models.load import load_model_metadata


@pytest.mark.parametrize(
    ("model", "layers"),
    [
        ("deepseek-ai/DeepSeek-V3", 1),
        ("Qwen/Qwen3.5-27B", 1),
        ("Qwen/Qwen3-8B", 0),
        ("openai/gpt-oss-20b", 0),
        # three modules in the config, but no drafting model of that family in vLLM
        ("MiniMaxAI/MiniMax-M2", 0),
    ],
)
def test_layers_that_draft(model: str, layers: int) -> None:
    assert load_model_metadata(model).draft_layers == layers


@pytest.mark.parametrize("stated", [0, -1, 99, None, "one", True])
def test_a_strange_count_is_none(stated: object) -> None:
    metadata = replace(load_model_metadata("deepseek-ai/DeepSeek-V3"), text_config={"num_nextn_predict_layers": stated})
    assert metadata.draft_layers == 0
