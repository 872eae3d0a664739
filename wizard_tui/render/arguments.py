"""From a VLLMConfig to the arguments of `vllm serve`, one flag with its values per line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wizard_tui.engine.flags import checked_text, flag_arguments
from wizard_tui.errors import Refusal
from wizard_tui.schemas.outputs import VLLMConfig

Line = tuple[str, ...]

_NO_FLAG = frozenset({"model", "deployment", "explanations"})


def set_options(config: VLLMConfig) -> dict[str, Any]:
    """The options that are set, by vLLM's own names; the model is left out, as it is not a flag."""
    return {name: value for name, value in config if value is not None and name not in _NO_FLAG}


def serve_lines(config: VLLMConfig, further: Mapping[str, Any] | None = None) -> list[Line]:
    """What follows `vllm serve`: the model, then each flag with its values. `further` are options besides the config's.

    Raises Refusal for an option that the planned vLLM does not have or a value it does not take.
    """
    version = config.deployment.vllm_version
    options = {**set_options(config), **(further or {})}
    lines = (flag_arguments(name, value, version) for name, value in options.items())
    return [(_model(config.model),), *(line for line in lines if line)]


def serve_arguments(config: VLLMConfig, further: Mapping[str, Any] | None = None) -> list[str]:
    """The same as one flat argument list."""
    return flat(serve_lines(config, further))


def flat(lines: Iterable[Line]) -> list[str]:
    """Lines of words as one list of words."""
    return [word for line in lines for word in line]


def double_dollars(text: str) -> str:
    """`text` escaped for Compose, Kubernetes or systemd, which expand variables and read `$$` as `$`."""
    return text.replace("$", "$$")


def _model(model: str) -> str:
    if model.startswith("-"):
        raise Refusal(f"the model {model!r} would be read as a flag; write a path as ./{model}")
    return checked_text(model, "the model's name")
