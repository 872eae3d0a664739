"""Values for vLLM's production-stack chart (https://github.com/vllm-project/production-stack, helm/values.yaml)."""

from __future__ import annotations

from typing import Any

from wizard_tui.render import pod
from wizard_tui.render.arguments import double_dollars, flat, serve_lines
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import SHM_GIB, image, inside, instance_name, mounts, startup_seconds
from wizard_tui.render.yaml_text import to_yaml
from wizard_tui.schemas.outputs import VLLMConfig

_NOTE = """\
# helm repo add vllm https://vllm-project.github.io/production-stack
# helm upgrade --install vllm vllm/vllm-stack -f helm-values.yaml
"""


def render_helm_values(config: VLLMConfig) -> str:
    """Values for one model on one node. The chart itself sets address and port.

    Raises Refusal for a flag the planned vLLM does not have.
    """
    serving: dict[str, Any] = {
        "modelSpec": [_model(config)],
        "startupProbe": {
            "httpGet": {"path": "/health", "port": 8000},
            "periodSeconds": 10,
            "failureThreshold": -(-startup_seconds(config) // 10),
        },
    }
    if key := config.deployment.api_key_env:
        serving["vllmApiKey"] = {"secretName": instance_name(config), "secretKey": key}
    return pod.secret_note(config) + _NOTE + to_yaml({"servingEngineSpec": serving})


def _model(config: VLLMConfig) -> dict[str, Any]:
    repository, tag = _split_image(image(config))
    claim = pod.claim(config)["spec"]
    resource = pod.gpu_resource(config)
    model: dict[str, Any] = {
        "name": instance_name(config),
        "repository": repository,
        "tag": tag,
        "modelURL": double_dollars(inside(config).model),
        "replicaCount": 1,
        "requestCPU": pod.CPUS,
        "requestMemory": pod.MEMORY,
        **({"requestGPU": config.deployment.gpu_count, "requestGPUType": resource} if resource else {}),
        "pvcStorage": claim["resources"]["requests"]["storage"],
        "pvcAccessMode": claim["accessModes"],
        "env": [pod.hub_access(config)],
        "shmSize": f"{SHM_GIB}Gi",
        "vllmConfig": {
            # without it the chart switches caching off with a flag that newer versions lack; the last flag counts
            "enablePrefixCaching": True,
            "tensorParallelSize": config.tensor_parallel_size or 1,
            "extraArgs": _further_arguments(config),
        },
    }
    if local := mounts(config):
        model["extraVolumes"] = [{"name": mount.name, "hostPath": {"path": mount.source}} for mount in local]
        model["extraVolumeMounts"] = [
            {"name": mount.name, "mountPath": mount.target, "readOnly": True} for mount in local
        ]
    return model


def _further_arguments(config: VLLMConfig) -> list[str]:
    by_chart = {"host": None, "port": None, "tensor_parallel_size": None}
    (_, *flags) = serve_lines(inside(config).model_copy(update=by_chart))
    return [double_dollars(word) for word in flat(flags)]


def _split_image(name: str) -> tuple[str, str]:
    """`registry:5000/vllm:v1` is repository `registry:5000/vllm`, tag `v1`."""
    path, _, last = name.rpartition("/")
    name, _, tag = last.partition(":")
    return (f"{path}/{name}" if path else name), tag


ARTIFACT = Artifact(
    name="helm",
    filename="helm-values.yaml",
    title="Helm (production-stack)",
    render=render_helm_values,
    nodes="one",
    writes_flags=True,
    run=Run(
        start="helm repo add vllm https://vllm-project.github.io/production-stack\n"
        "helm upgrade --install vllm vllm/vllm-stack -f helm-values.yaml",
        stop="helm uninstall vllm",
        secrets=pod.CREATE_SECRET,
        place="cluster",
        in_container=True,
        undo="helm rollback vllm",
    ),
)
