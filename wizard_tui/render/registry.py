"""All artifacts in one place: what exists, under which file name, and how it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wizard_tui.render.compose import render_docker_compose
from wizard_tui.render.docker import render_docker_command
from wizard_tui.render.kubernetes import render_k8s_values
from wizard_tui.render.serve import render_serve_command
from wizard_tui.render.shell import SCRIPT_HEAD
from wizard_tui.schemas.outputs import Artifacts, VLLMConfig


@dataclass(frozen=True)
class Artifact:
    """One kind of text made from a configuration.

    `render` gives what is shown and copied, `file_text` what is written: a script gets its `#!` line and stops at the
    first error, which a command pasted into a shell must not bring along.
    """

    name: str
    filename: str
    title: str
    render: Callable[[VLLMConfig], str]
    executable: bool = False

    def file_text(self, config: VLLMConfig) -> str:
        """The content of the file."""
        return (SCRIPT_HEAD if self.executable else "") + self.render(config)


_ALL = (
    Artifact("serve", "serve.sh", "vllm serve", render_serve_command, executable=True),
    Artifact("docker", "docker-run.sh", "docker run", render_docker_command, executable=True),
    Artifact("compose", "docker-compose.yaml", "Docker Compose", render_docker_compose),
    Artifact("k8s", "k8s.yaml", "Kubernetes", render_k8s_values),
)

ARTIFACTS: Mapping[str, Artifact] = MappingProxyType({artifact.name: artifact for artifact in _ALL})


def render_artifacts(config: VLLMConfig) -> Artifacts:
    """The four artifacts of a plan response. Raises ValueError for a flag the planned vLLM does not have."""
    return Artifacts(
        serve_command=render_serve_command(config),
        docker_command=render_docker_command(config),
        docker_compose=render_docker_compose(config),
        k8s_values=render_k8s_values(config),
    )
