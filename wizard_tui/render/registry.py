"""All artifacts, in the order in which they are offered. The file that renders one also describes it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wizard_tui.render import (
    client,
    compose,
    config_file,
    docker,
    env_template,
    helm,
    kuberay,
    kubernetes,
    kustomize,
    quadlet,
    ray,
    serve,
    slurm,
    systemd,
)
from wizard_tui.render.artifact import Artifact

_ALL = (
    serve.ARTIFACT,
    config_file.ARTIFACT,
    docker.ARTIFACT,
    compose.ARTIFACT,
    kubernetes.ARTIFACT,
    kustomize.ARTIFACT,
    helm.ARTIFACT,
    kuberay.ARTIFACT,
    ray.ARTIFACT,
    systemd.ARTIFACT,
    quadlet.ARTIFACT,
    slurm.ARTIFACT,
    env_template.ARTIFACT,
    client.CURL,
    client.PYTHON,
)

ARTIFACTS: Mapping[str, Artifact] = MappingProxyType({artifact.name: artifact for artifact in _ALL})
