"""All artifacts in one place: what exists, under which file name, and how it is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from wizard_tui.render.client import render_curl_client, render_python_client
from wizard_tui.render.compose import render_docker_compose
from wizard_tui.render.config_file import render_config_file
from wizard_tui.render.docker import render_docker_command
from wizard_tui.render.env_template import render_env_template
from wizard_tui.render.helm import render_helm_values
from wizard_tui.render.kuberay import render_kuberay
from wizard_tui.render.kubernetes import render_k8s_values
from wizard_tui.render.kustomize import render_kustomization
from wizard_tui.render.quadlet import render_quadlet
from wizard_tui.render.ray import render_ray_start
from wizard_tui.render.serve import render_serve_command
from wizard_tui.render.shell import SCRIPT_HEAD
from wizard_tui.render.slurm import render_slurm_script
from wizard_tui.render.systemd import render_systemd_unit
from wizard_tui.schemas.outputs import VLLMConfig


@dataclass(frozen=True)
class Artifact:
    """One kind of text made from a configuration.

    `render` gives what is shown and copied, `file_text` what is written: a script gets its `#!` line and stops at the
    first error, which a command pasted into a shell must not bring along. `nodes` is for how many machines it is made,
    and `needs` names the artifacts without which its file is of no use.
    """

    name: str
    filename: str
    title: str
    render: Callable[[VLLMConfig], str]
    executable: bool = False
    nodes: Literal["any", "one", "several"] = "any"
    needs: tuple[str, ...] = ()

    def fits(self, config: VLLMConfig) -> bool:
        """Whether it is made for the machines of this configuration."""
        return self.nodes == "any" or (self.nodes == "several") == (config.deployment.nodes > 1)

    def file_text(self, config: VLLMConfig) -> str:
        """The content of the file."""
        return (SCRIPT_HEAD if self.executable else "") + self.render(config)


_ALL = (
    Artifact("serve", "serve.sh", "vllm serve", render_serve_command, executable=True),
    Artifact("config", "vllm.yaml", "vllm serve --config", render_config_file, nodes="one"),
    Artifact("docker", "docker-run.sh", "docker run", render_docker_command, executable=True),
    Artifact("compose", "docker-compose.yaml", "Docker Compose", render_docker_compose),
    Artifact("k8s", "k8s.yaml", "Kubernetes", render_k8s_values),
    Artifact("kustomize", "kustomization.yaml", "Kustomize", render_kustomization, needs=("k8s", "env")),
    Artifact("helm", "helm-values.yaml", "Helm (production-stack)", render_helm_values, nodes="one"),
    Artifact("kuberay", "kuberay.yaml", "KubeRay", render_kuberay, nodes="several"),
    Artifact("ray", "ray.sh", "Ray cluster", render_ray_start, executable=True, nodes="several"),
    Artifact("systemd", "vllm.service", "systemd", render_systemd_unit, nodes="one"),
    Artifact("quadlet", "vllm.container", "Podman Quadlet", render_quadlet, nodes="one"),
    Artifact("slurm", "slurm.sh", "Slurm", render_slurm_script),
    Artifact("env", "env.template", "environment", render_env_template),
    Artifact("curl", "ask.sh", "client: curl", render_curl_client, executable=True),
    Artifact("python", "ask.py", "client: Python", render_python_client),
)

ARTIFACTS: Mapping[str, Artifact] = MappingProxyType({artifact.name: artifact for artifact in _ALL})
