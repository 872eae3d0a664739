"""Which checkpoints draft, and how many tokens."""

from __future__ import annotations

import pytest

from wizard_tui.engine.speculation import draft_layers, why_not_drafting
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
    metadata = load_model_metadata(model)
    assert draft_layers(metadata.config, metadata.text_config) == layers


@pytest.mark.parametrize("stated", [0, -1, 99, None, "one", True])
def test_a_strange_count_is_none(stated: object) -> None:
    config = {"model_type": "deepseek_v3", "num_nextn_predict_layers": stated}
    assert draft_layers(config, config) == 0


def test_tokens_are_a_multiple_of_the_layers() -> None:
    assert why_not_drafting(0, 0) is None
    assert why_not_drafting(1, 3) is None
    assert why_not_drafting(2, 1) is None
    assert "multiple of the checkpoint's 2" in (why_not_drafting(2, 3) or "")
    assert "set speculative_tokens to 0" in (why_not_drafting(0, 1) or "")
