"""The artifacts that every plan comes with. The registry has all of them; a plan need not load it."""

from __future__ import annotations

from functools import lru_cache

from wizard_tui.render.compose import render_docker_compose
from wizard_tui.render.docker import render_docker_command
from wizard_tui.render.kubernetes import render_k8s_values
from wizard_tui.render.serve import render_serve_command
from wizard_tui.schemas.outputs import Artifacts, VLLMConfig


def render_artifacts(config: VLLMConfig) -> Artifacts:
    """The four artifacts of a plan response. Raises Refusal for a flag the planned vLLM does not have.

    Most changes of a request leave the flags as they are, so the text rendered from them is kept.
    """
    return _rendered(config.model_dump_json(exclude={"explanations"}))


@lru_cache(maxsize=256)
def _rendered(flags: str) -> Artifacts:
    config = VLLMConfig.model_validate_json(flags)
    return Artifacts(
        serve_command=render_serve_command(config),
        docker_command=render_docker_command(config),
        docker_compose=render_docker_compose(config),
        k8s_values=render_k8s_values(config),
    )
