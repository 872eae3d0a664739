"""The pod in which the server runs on Kubernetes, and what all ways to deploy it share."""

from __future__ import annotations

from typing import Any

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.container import (
    HF_CACHE,
    SHM_GIB,
    VLLM_CACHE,
    image,
    inside,
    instance_name,
    is_offline,
    mounts,
    port_of,
    startup_seconds,
)
from wizard_tui.schemas.outputs import VLLMConfig

Manifest = dict[str, Any]

CREATE_SECRET = "kubectl create secret generic {name} --from-env-file=.env"  # noqa: S105
"""The command that makes the Secret of the instance {name} from the .env file."""

CPUS = 4
MEMORY = "16Gi"
"""A request, not a limit: enough to load a checkpoint through the page cache."""

_GIB = 1 << 30
_UNKNOWN_CHECKPOINT_GIB = 500
_SPARE_GIB = 20


def labels(config: VLLMConfig) -> dict[str, str]:
    """Labels by which the objects of one server are found."""
    return {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/instance": instance_name(config)}


def metadata(config: VLLMConfig, suffix: str = "") -> Manifest:
    """Name and labels of an object of this server."""
    return {"name": instance_name(config) + suffix, "labels": labels(config)}


def claim(config: VLLMConfig) -> Manifest:
    """The volume that keeps the checkpoint and compiled kernels between restarts."""
    size = config.deployment.download_bytes
    checkpoint = 0 if is_offline(config) else _UNKNOWN_CHECKPOINT_GIB if size is None else -(-size // _GIB)
    spec = {
        "accessModes": ["ReadWriteOnce" if config.deployment.nodes == 1 else "ReadWriteMany"],
        "resources": {"requests": {"storage": f"{checkpoint + _SPARE_GIB}Gi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata(config, "-cache"),
        "spec": spec,
    }


def service(config: VLLMConfig, selector: dict[str, str] | None = None) -> Manifest:
    """A name inside the cluster; it cannot be reached from outside."""
    port = {"name": "http", "port": port_of(config), "targetPort": "http", "protocol": "TCP"}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(config),
        "spec": {"type": "ClusterIP", "selector": selector or labels(config), "ports": [port]},
    }


def hub_access(config: VLLMConfig) -> Manifest:
    """An optional reference to the Hub's token; or a setting so that the Hub is not asked at all."""
    if is_offline(config):
        return {"name": "HF_HUB_OFFLINE", "value": "1"}
    return _from_secret(config, "HF_TOKEN", "HF_TOKEN", optional=True)


def environment(config: VLLMConfig) -> list[Manifest]:
    """Secrets by reference; an API key that was asked for must exist."""
    key = config.deployment.api_key_env
    asked = [_from_secret(config, "VLLM_API_KEY", key, optional=False)] if key else []
    return [hub_access(config), *asked]


def needs_secret(config: VLLMConfig) -> bool:
    """Whether a Secret is referred to at all."""
    return not is_offline(config) or config.deployment.api_key_env is not None


def gpu_resource(config: VLLMConfig) -> str:
    """The name under which the vendor's device plugin offers GPUs; empty where unknown."""
    return platform_named(config.deployment.gpu_vendor).kubernetes_resource


def secret_note(config: VLLMConfig) -> str:
    """How the Secret is made from the .env file; empty when none is needed."""
    if not needs_secret(config):
        return ""
    return f"# First: {CREATE_SECRET.format(name=instance_name(config))}\n"


def container(config: VLLMConfig, command: list[str] | None = None) -> Manifest:
    """The server's container without probes. `command` is taken as it is: use `double_dollars` for a user's words."""
    resource = gpu_resource(config)
    gpus = {resource: config.deployment.gpu_count} if resource else {}
    return {
        "name": "vllm",
        "image": image(config),
        **({"command": command} if command else {}),
        "env": environment(config),
        "ports": [{"name": "http", "containerPort": port_of(config), "protocol": "TCP"}],
        "resources": {"requests": {"cpu": CPUS, "memory": MEMORY, **gpus}, "limits": gpus},
        "securityContext": {"allowPrivilegeEscalation": False, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumeMounts": _volume_mounts(config),
    }


def probes(config: VLLMConfig) -> Manifest:
    """The start may take as long as download and compilation; later, half a minute without an answer restarts it."""
    check = {"httpGet": {"path": "/health", "port": "http"}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**check, "periodSeconds": 10, "failureThreshold": -(-startup_seconds(config) // 10)},
        "readinessProbe": {**check, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**check, "periodSeconds": 10, "failureThreshold": 3},
    }


def pod_spec(config: VLLMConfig, server: Manifest) -> Manifest:
    """A pod around the server's container."""
    return {
        # a Service named vllm would otherwise set VLLM_PORT, which vLLM reads as a port number
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 60,
        "containers": [server],
        "volumes": _volumes(config),
    }


def seen_inside(config: VLLMConfig) -> VLLMConfig:
    """The configuration inside a pod: the pod has its own network, so the server listens on all its addresses."""
    return inside(config).model_copy(update={"host": "0.0.0.0"})  # noqa: S104


def _from_secret(config: VLLMConfig, name: str, key: str, *, optional: bool) -> Manifest:
    reference = {"name": instance_name(config), "key": key, "optional": optional}
    return {"name": name, "valueFrom": {"secretKeyRef": reference}}


def _volume_mounts(config: VLLMConfig) -> list[Manifest]:
    huggingface = {"name": "cache", "mountPath": HF_CACHE, "subPath": "huggingface"}
    return [
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108
        *([] if is_offline(config) else [huggingface]),
        {"name": "cache", "mountPath": VLLM_CACHE, "subPath": "vllm"},
        *({"name": mount.name, "mountPath": mount.target, "readOnly": True} for mount in mounts(config)),
    ]


def _volumes(config: VLLMConfig) -> list[Manifest]:
    return [
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{SHM_GIB}Gi"}},
        {"name": "cache", "persistentVolumeClaim": {"claimName": instance_name(config) + "-cache"}},
        *({"name": mount.name, "hostPath": {"path": mount.source}} for mount in mounts(config)),
    ]
