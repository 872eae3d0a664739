"""Manifests as Kubernetes reads them: YAML, its schemas, and the expansion of references in commands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from tests.render.readers import documents, kubernetes_words, options
from tests.render.samples import IMAGE, a_config, named, on_two_nodes
from wizard_tui.render import render_k8s_values
from wizard_tui.schemas.outputs import VLLMConfig


def by_kind(config: VLLMConfig) -> dict[str, Any]:
    return {document["kind"]: document for document in documents(render_k8s_values(config))}


def pod_of(config: VLLMConfig) -> dict[str, Any]:
    pod: dict[str, Any] = by_kind(config)["Deployment"]["spec"]["template"]["spec"]
    return pod


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    (server,) = pod_of(config)["containers"]
    program, verb, *arguments = kubernetes_words(server["command"])
    assert (program, verb) == ("vllm", "serve")
    for field in ("model", "served_model_name", "revision", "chat_template"):
        assert options(arguments)[field] == getattr(config, field), field


def test_objects_belong_together_and_nothing_outside_reaches_the_server() -> None:
    found = by_kind(a_config(port=9000))
    assert list(found) == ["PersistentVolumeClaim", "Service", "Deployment"]
    template = found["Deployment"]["spec"]["template"]
    selector = found["Service"]["spec"]["selector"].items()
    assert selector <= template["metadata"]["labels"].items()
    assert found["Deployment"]["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert found["Service"]["spec"]["type"] == "ClusterIP"
    claims = [volume["persistentVolumeClaim"]["claimName"] for volume in template["spec"]["volumes"][1:2]]
    assert claims == [found["PersistentVolumeClaim"]["metadata"]["name"]]


def test_the_container_has_its_gpus_its_memory_and_time_to_load() -> None:
    pod = pod_of(a_config(deployment={"gpu_count": 4, "download_bytes": 50_000_000_000}))
    (server,) = pod["containers"]
    assert server["image"] == IMAGE
    assert server["resources"]["limits"] == {"nvidia.com/gpu": 4}
    assert pod["volumes"][0]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Gi"}
    assert server["volumeMounts"][0] == {"name": "shm", "mountPath": "/dev/shm"}
    startup = server["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 1900
    assert {"readinessProbe", "livenessProbe"} <= set(server)
    assert pod["enableServiceLinks"] is False, "a Service called vllm would set VLLM_PORT"


def test_the_claim_holds_the_checkpoint() -> None:
    claim = by_kind(a_config(deployment={"download_bytes": 141 << 30}))["PersistentVolumeClaim"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "161Gi"


def test_secrets_are_references() -> None:
    (server,) = pod_of(a_config(deployment={"api_key_env": "MY_KEY"}))["containers"]
    hub, key = server["env"]
    assert hub["name"] == "HF_TOKEN"
    assert hub["valueFrom"]["secretKeyRef"]["optional"] is True
    assert key["name"] == "VLLM_API_KEY"
    assert key["valueFrom"]["secretKeyRef"] == {"name": "vllm-qwen3-8b", "key": "MY_KEY", "optional": False}


def test_a_local_model_is_a_path_of_the_node_and_the_hub_is_not_asked() -> None:
    pod = pod_of(a_config(model="/models/my model", deployment={"model_is_local": True}))
    (server,) = pod["containers"]
    assert {"name": "model", "hostPath": {"path": "/models/my model"}} in pod["volumes"]
    assert {"name": "model", "mountPath": "/model", "readOnly": True} in server["volumeMounts"]
    assert server["env"] == [{"name": "HF_HUB_OFFLINE", "value": "1"}]


def test_amd_gpus_are_asked_for_by_their_name() -> None:
    (server,) = pod_of(a_config(deployment={"gpu_vendor": "amd"}))["containers"]
    assert server["resources"]["limits"] == {"amd.com/gpu": 1}


@given(named)
def test_several_machines_are_a_leader_worker_set_with_every_text_unchanged(config: VLLMConfig) -> None:
    found = by_kind(on_two_nodes(config))
    assert "Deployment" not in found
    group = found["LeaderWorkerSet"]["spec"]["leaderWorkerTemplate"]
    assert group["size"] == 2
    given_by_controller = {"LWS_LEADER_ADDRESS": "vllm-0.vllm", "LWS_WORKER_INDEX": "1"}
    for role in ("leaderTemplate", "workerTemplate"):
        (server,) = group[role]["spec"]["containers"]
        _, _, *arguments = kubernetes_words(server["command"], given_by_controller)
        read = options(arguments)
        assert read["model"] == config.model
        assert read["served_model_name"] == config.served_model_name
        assert read["master_addr"] == "vllm-0.vllm"
        assert read["node_rank"] == "1"
        assert ("headless" in read) == (role == "workerTemplate")


@pytest.mark.parametrize(
    "config",
    [
        a_config(served_model_name="a: $(b)\n- c", deployment={"api_key_env": "KEY"}),
        a_config(model="/m", deployment={"model_is_local": True, "gpu_vendor": "amd"}),
        on_two_nodes(a_config()),
    ],
    ids=["hub", "local", "several"],
)
def test_current_schemas_hold(config: VLLMConfig) -> None:
    schemas = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is not installed")
    for document in documents(render_k8s_values(config)):
        if document["kind"] == "LeaderWorkerSet":  # not part of Kubernetes itself, but its pods are
            for role in ("leaderTemplate", "workerTemplate"):
                pod = document["spec"]["leaderWorkerTemplate"][role]
                metadata = {"name": "pod", **pod["metadata"]}
                schemas.validate({"apiVersion": "v1", "kind": "Pod", **pod, "metadata": metadata}, "1.34", strict=True)
        else:
            schemas.validate(document, "1.34", strict=True)
