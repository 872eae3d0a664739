"""From a VLLMConfig to text that runs as it is: pure functions, one file per artifact; `registry` lists all."""

from __future__ import annotations

from wizard_tui.render.artifacts import render_artifacts
from wizard_tui.render.compose import render_docker_compose
from wizard_tui.render.docker import render_docker_command
from wizard_tui.render.kubernetes import render_k8s_values
from wizard_tui.render.serve import render_serve_command

__all__ = [
    "render_artifacts",
    "render_docker_command",
    "render_docker_compose",
    "render_k8s_values",
    "render_serve_command",
]
