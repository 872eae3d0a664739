"""The RayJob: its entry point as a shell reads it, its pods as Kubernetes does."""

from __future__ import annotations

from hypothesis import given

from tests.render.readers import documents, options, run_bash
from tests.render.samples import IMAGE, a_config, named, on_two_nodes
from wizard_tui.render.kuberay import render_kuberay
from wizard_tui.schemas.outputs import VLLMConfig


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    *_, job = documents(render_kuberay(on_two_nodes(config)))
    read = options(run_bash(job["spec"]["entrypoint"], "vllm")[2:])
    for field in ("model", "served_model_name", "revision"):
        assert read[field] == getattr(config, field), field
    assert read["distributed_executor_backend"] == "ray"


def test_one_pod_a_machine_each_with_its_gpus() -> None:
    claim, service, job = documents(render_kuberay(on_two_nodes(a_config())))
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"] == 1
    for group in (cluster["headGroupSpec"], workers):
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"] == IMAGE
        assert container["resources"]["limits"] == {"nvidia.com/gpu": 8}
    assert service["spec"]["selector"]["ray.io/node-type"] == "head"
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
