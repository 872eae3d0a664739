"""Configurations to render, with the worst possible names."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wizard_tui.schemas.outputs import Deployment, VLLMConfig

VERSION = "0.33.0"
IMAGE = f"vllm/vllm-openai:v{VERSION}"

_NASTY = (
    *(
        "$(id)",
        "`id`",
        "${HOME}",
        "$HOME",
        "$$",
        "$",
        "%n",
        "%",
        "'",
        '"',
        "\\",
        "\\n",
        "\n",
        "\r",
        "\t",
        " ",
        "#",
        " #",
    ),
    *(
        ": ",
        "- ",
        "{{ x }}",
        "!!python/object",
        "&a",
        "*a",
        "|",
        ">",
        "<b>",
        "[/red]",
        "~",
        "=",
        ",",
        ";",
        "(",
        ")",
        "!",
    ),
    *(
        "yes",
        "null",
        "0o17",
        "1e3",
        "\x1b[31m",
        "\x7f",
        "\x85",
        "\u2028",
        "\u202e",
        "\ufeff",
        "é",
        "模型",
        "\U0001f600",
    ),
)


def _can_be_carried(text: str) -> bool:
    return not any(ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF for char in text)


_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
names = st.lists(st.sampled_from(_NASTY) | _CHARACTERS, min_size=1, max_size=8).map("".join).filter(_can_be_carried)
"""Anything that a command line can carry."""

models = names.filter(lambda name: not name.startswith("-"))


def a_config(*, model: str = "Qwen/Qwen3-8B", deployment: dict[str, Any] | None = None, **flags: Any) -> VLLMConfig:
    """Qwen3-8B on one NVIDIA GPU, with the changes asked for."""
    facts = {"vllm_version": VERSION, "image": IMAGE, **(deployment or {})}
    return VLLMConfig(model=model, **{"host": "127.0.0.1", **flags}, deployment=Deployment(**facts))


named = st.builds(
    lambda model, served, revision, template: a_config(
        model=model, served_model_name=served, revision=revision, chat_template=template, max_model_len=4096
    ),
    models,
    names,
    names,
    names.filter(lambda name: not name.startswith("/")),
)
"""Configurations whose free texts are arbitrary."""

TWO_NODES = {"nodes": 2, "gpu_count": 8}


def on_two_nodes(config: VLLMConfig) -> VLLMConfig:
    """The same over two machines of eight GPUs."""
    spread = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    return config.model_copy(update={**spread, "deployment": config.deployment.model_copy(update=TWO_NODES)})
