"""Parsers of real models, and by version."""

from __future__ import annotations

import pytest

from wizard_tui.engine.parsers import _data, _families, parser_names, parsers_for
from wizard_tui.engine.versions import release_of

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
    found = parsers_for(model, model_type, "0.33.0")
    assert (found and found.tool_call_parser, found and found.reasoning_parser) == (tools, reasoning)
    # a local directory of that name is the same model
    assert parsers_for(f"/models/{model}/", model_type, "0.33.0") == found


def test_parsers_that_a_version_lacks_are_left_out() -> None:
    old, new = (parsers_for("openai/gpt-oss-20b", "gpt_oss", version) for version in ("0.9.0", "0.10.2"))
    assert old is not None
    assert new is not None
    assert (old.tool_call_parser, old.reasoning_parser) == (None, None)
    assert (new.tool_call_parser, new.reasoning_parser) == ("openai", "openai_gptoss")
    assert "openai" not in parser_names("tool_call_parser", "0.9.2")


@pytest.mark.parametrize(
    ("model", "model_type", "version", "tools", "reasoning"),
    [
        # both read what GLM-4.7 marks as reasoning; of its tool calls glm45 reads none
        ("zai-org/GLM-4.7", "glm4_moe", "0.27.0", "glm47", "glm47"),
        ("zai-org/GLM-4.7", "glm4_moe", "0.18.0", "glm47", "glm45"),
        ("zai-org/GLM-4.7", "glm4_moe", "0.12.0", None, "glm45"),
        ("zai-org/GLM-4.7", "glm4_moe", "0.9.0", None, None),
        ("ibm-granite/granite-4.0-h-small", "granitemoehybrid", "0.18.0", "granite4", None),
        ("ibm-granite/granite-4.0-h-small", "granitemoehybrid", "0.12.0", "hermes", None),
        ("moonshotai/Kimi-K2-Instruct", "kimi_k2", "0.10.0", "kimi_k2", None),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek_v32", "0.12.0", None, "deepseek_v3"),
        ("MiniMaxAI/MiniMax-M2", "minimax_m2", "0.10.2", None, None),
        ("Qwen/Qwen3-32B", "qwen3", "0.6.6", "hermes", None),
    ],
)
def test_an_older_version_gets_the_newest_parser_that_it_has(
    model: str, model_type: str, version: str, tools: str | None, reasoning: str | None
) -> None:
    found = parsers_for(model, model_type, version)
    assert found is not None
    assert (found.tool_call_parser, found.reasoning_parser) == (tools, reasoning)


# what was registered: https://docs.vllm.ai/en/v0.9.0/api/vllm/entrypoints/openai/tool_parsers/ (names at the classes),
# docs/reference/TOOL-PARSER-RESEARCH.md of https://github.com/jsirish/llm-hosting (what 0.12.0 lists), and
# https://docs.vllm.ai/en/v0.12.0/api/vllm/reasoning/
REGISTERED = [
    ("0.9.0", "tool_call_parser",
     "deepseek_v3 granite granite-20b-fc hermes internlm jamba llama3_json llama4_json llama4_pythonic mistral "
     "phi4_mini_json pythonic"),
    ("0.12.0", "tool_call_parser",
     "deepseek_v3 deepseek_v31 ernie45 glm45 granite granite-20b-fc hermes hunyuan_a13b internlm jamba kimi_k2 "
     "llama3_json llama4_json llama4_pythonic longcat minimax minimax_m2 mistral olmo3 openai phi4_mini_json pythonic "
     "qwen3_coder qwen3_xml seed_oss step3 xlam"),
    ("0.12.0", "reasoning_parser",
     "deepseek_r1 deepseek_v3 ernie45 glm45 granite hunyuan_a13b kimi_k2 minimax_m2 minimax_m2_append_think mistral "
     "olmo3 openai_gptoss qwen3 seed_oss step3"),
]  # fmt: skip


@pytest.mark.parametrize(("version", "kind", "registered"), REGISTERED)
def test_names_by_version_are_those_that_vllm_registers(version: str, kind: str, registered: str) -> None:
    # `minimax` went again, so that it is not in the table
    assert set(parser_names(kind, version)) == set(registered.split()) - {"minimax"}


def test_every_parser_of_a_family_is_one_of_vllms() -> None:
    tools, reasoning = (set(parser_names(kind, "99.0")) for kind in ("tool_call_parser", "reasoning_parser"))
    for family in _families():
        assert set(family.tool_call_parsers) <= tools, family.title
        assert set(family.reasoning_parsers) <= reasoning, family.title
        assert family.name or family.types


def test_parsers_of_a_family_go_from_the_newest_to_the_oldest() -> None:
    for family in _families():
        for kind, parsers in (
            ("tool_call_parser", family.tool_call_parsers),
            ("reasoning_parser", family.reasoning_parsers),
        ):
            ages = [release_of(_since(kind, parser)) for parser in parsers]
            assert ages == sorted(set(ages), reverse=True), family.title


def _since(kind: str, parser: str) -> str:
    return next(since for since, names in _data()["since"][kind].items() if parser in names)
