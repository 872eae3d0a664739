"""A KubeRay RayJob: a Ray cluster of pods whose job is the server."""

from __future__ import annotations

import shlex

from wizard_tui.render import pod
from wizard_tui.render.arguments import serve_arguments
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import image, instance_name
from wizard_tui.render.ray import ray_options
from wizard_tui.render.yaml_text import to_yaml_stream
from wizard_tui.schemas.outputs import VLLMConfig

_NOTE = "# The image must hold Ray as well: FROM {image}, then RUN pip install 'ray[default]'\n"


def render_kuberay(config: VLLMConfig) -> str:
    """Claim, service and RayJob; one pod per node.

    The entry point is a shell command, quoted once: in HTTPMode the operator hands it to Ray as it is. Raises
    Refusal for a flag the planned vLLM does not have.
    """
    head_only = {"ray.io/node-type": "head", **pod.labels(config)}
    documents = [pod.claim(config), pod.service(config, head_only), _job(config)]
    note = _NOTE.format(image=image(config))
    return note + pod.secret_note(config) + to_yaml_stream(documents)


def _job(config: VLLMConfig) -> pod.Manifest:
    server = pod.container(config)
    template = {"metadata": {"labels": pod.labels(config)}, "spec": pod.pod_spec(config, server)}
    workers = config.deployment.nodes - 1
    group = {
        "groupName": "workers",
        "replicas": workers,
        "minReplicas": workers,
        "maxReplicas": workers,
        "rayStartParams": {},
        "template": template,
    }
    cluster = {
        "headGroupSpec": {"rayStartParams": {"dashboard-host": "0.0.0.0"}, "template": template},  # noqa: S104
        "workerGroupSpecs": [group] if workers else [],
    }
    arguments = serve_arguments(pod.seen_inside(config), ray_options(config))
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": instance_name(config), "labels": pod.labels(config)},
        "spec": {
            "submissionMode": "HTTPMode",
            "entrypoint": shlex.join(["vllm", "serve", *arguments]),
            "rayClusterSpec": cluster,
        },
    }


ARTIFACT = Artifact(
    name="kuberay",
    filename="kuberay.yaml",
    title="KubeRay",
    render=render_kuberay,
    nodes="several",
    writes_flags=True,
    run=Run(
        start="kubectl apply -f kuberay.yaml",
        stop="kubectl delete -f kuberay.yaml",
        secrets=pod.CREATE_SECRET,
        place="cluster",
        in_container=True,
    ),
)
