"""Parsers of real models, and by version."""

from __future__ import annotations

import pytest

from wizard_tui.engine.parsers import _families, parser_names, parsers_for

# docs/features/tool_calling.md and reasoning_outputs.md of vllm-project/vllm
PAIRS = [
    ("meta-llama/Llama-3.1-8B-Instruct", "llama", "llama3_json", None),
    ("Qwen/Qwen3-32B", "qwen3", "hermes", "qwen3"),
    ("Qwen/Qwen2.5-7B-Instruct", "qwen2", "hermes", None),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "qwen2", None, "deepseek_r1"),
    ("deepseek-ai/DeepSeek-V3.1", "deepseek_v3", "deepseek_v31", "deepseek_v3"),
    ("openai/gpt-oss-20b", "gpt_oss", "openai", "openai_gptoss"),
    ("mistralai/Mistral-7B-Instruct-v0.3", "mistral", "mistral", None),
    ("moonshotai/Kimi-K2-Instruct", "kimi_k2", "kimi_k2", "kimi_k2"),
    ("somebody/unheard-of", "unheard_of", None, None),
]


@pytest.mark.parametrize(("model", "model_type", "tools", "reasoning"), PAIRS)
def test_pairs(model: str, model_type: str, tools: str | None, reasoning: str | None) -> None:
    found = parsers_for(model, model_type)
    assert (found and found.tool_call_parser, found and found.reasoning_parser) == (tools, reasoning)
    # a local directory of that name is the same model
    assert parsers_for(f"/models/{model}/", model_type) == found


def test_parsers_that_a_version_lacks_are_left_out() -> None:
    old, new = (parsers_for("openai/gpt-oss-20b", "gpt_oss", version) for version in ("0.9.0", "0.10.2"))
    assert old is not None
    assert new is not None
    assert (old.tool_call_parser, old.reasoning_parser) == (None, None)
    assert (new.tool_call_parser, new.reasoning_parser) == ("openai", "openai_gptoss")
    assert "openai" not in parser_names("tool_call_parser", "0.9.2")


def test_every_parser_of_a_family_is_one_of_vllms() -> None:
    tools, reasoning = (set(parser_names(kind, "99.0")) for kind in ("tool_call_parser", "reasoning_parser"))
    for family in _families():
        assert family.choice.tool_call_parser in {None, *tools}, family.choice.family
        assert family.choice.reasoning_parser in {None, *reasoning}, family.choice.family
        assert family.name or family.types
