"""Kubernetes manifests for a server on one node: PersistentVolumeClaim, Service and Deployment."""

from __future__ import annotations

from wizard_tui.render import pod
from wizard_tui.render.arguments import double_dollars, serve_arguments
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.lws import render_leader_worker_set
from wizard_tui.render.yaml_text import to_yaml_stream
from wizard_tui.schemas.outputs import VLLMConfig


def render_k8s_values(config: VLLMConfig) -> str:
    """Manifests for `kubectl apply`; they refer to the Secret with token and API key but never contain it.

    A server over several nodes is written as a LeaderWorkerSet, not as a Deployment. Raises Refusal for a flag
    the planned vLLM does not have.
    """
    if config.deployment.nodes > 1:
        return render_leader_worker_set(config)
    return pod.secret_note(config) + to_yaml_stream([pod.claim(config), pod.service(config), _deployment(config)])


def _deployment(config: VLLMConfig) -> pod.Manifest:
    arguments = map(double_dollars, serve_arguments(pod.seen_inside(config)))
    server = {**pod.container(config, ["vllm", "serve", *arguments]), **pod.probes(config)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": pod.metadata(config),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # a rolling update would wait for GPUs that the old pod holds
            "selector": {"matchLabels": pod.labels(config)},
            "template": {
                "metadata": {"labels": pod.labels(config)},
                "spec": pod.pod_spec(config, server),
            },
        },
    }


ARTIFACT = Artifact(
    name="k8s",
    filename="k8s.yaml",
    title="Kubernetes",
    render=render_k8s_values,
    writes_flags=True,
    run=Run(
        start="kubectl apply -f k8s.yaml",
        stop="kubectl delete -f k8s.yaml",
        secrets=pod.CREATE_SECRET,
        place="cluster",
        in_container=True,
    ),
)
