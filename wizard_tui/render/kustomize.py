"""A kustomization over the Kubernetes manifests of the same directory."""

from __future__ import annotations

from typing import Any

from wizard_tui.render import pod
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import instance_name
from wizard_tui.render.yaml_text import to_yaml
from wizard_tui.schemas.outputs import VLLMConfig


def render_kustomization(config: VLLMConfig) -> str:
    """For `kubectl apply -k`; it makes the Secret from the .env file beside it."""
    document: dict[str, Any] = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["k8s.yaml"],
    }
    if pod.needs_secret(config):
        document["secretGenerator"] = [{"name": instance_name(config), "envs": [".env"]}]
        document["generatorOptions"] = {"disableNameSuffixHash": True}
    return to_yaml(document)


ARTIFACT = Artifact(
    name="kustomize",
    filename="kustomization.yaml",
    title="Kustomize",
    render=render_kustomization,
    needs=("k8s", "env"),
    writes_flags=False,
    run=Run(
        start="kubectl apply -k .",
        stop="kubectl delete -k .",
        secrets="",  # it reads .env
        place="cluster",
        in_container=True,
    ),
)
