"""A LeaderWorkerSet: several pods that are one server (https://lws.sigs.k8s.io, 0.6 or newer)."""

from __future__ import annotations

from wizard_tui.render import pod
from wizard_tui.render.arguments import double_dollars, serve_arguments
from wizard_tui.render.nodes import address_flag, node_options, rank_flag
from wizard_tui.render.yaml_text import to_yaml_stream
from wizard_tui.schemas.outputs import VLLMConfig

_LEADER = {"leaderworkerset.sigs.k8s.io/worker-index": "0"}


def render_leader_worker_set(config: VLLMConfig) -> str:
    """Claim, service for the leader, and the set with one pod per node.

    Raises Refusal for a flag the planned vLLM does not have.
    """
    documents = [pod.claim(config), pod.service(config, {**pod.labels(config), **_LEADER}), _set(config)]
    return pod.secret_note(config) + to_yaml_stream(documents)


def _set(config: VLLMConfig) -> pod.Manifest:
    leader = {**pod.container(config, _command(config, [])), **pod.probes(config)}
    worker = pod.container(config, _command(config, ["--headless"]))
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": pod.metadata(config),
        "spec": {
            "replicas": 1,
            "leaderWorkerTemplate": {
                "size": config.deployment.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": _template(config, leader),
                "workerTemplate": _template(config, worker),
            },
        },
    }


def _template(config: VLLMConfig, server: pod.Manifest) -> pod.Manifest:
    return {"metadata": {"labels": pod.labels(config)}, "spec": pod.pod_spec(config, server)}


def _command(config: VLLMConfig, last: list[str]) -> list[str]:
    """vLLM with its place in the group; the controller sets that in the environment of each pod."""
    arguments = serve_arguments(pod.seen_inside(config), node_options(config))
    flag, step = rank_flag(config)
    address = [address_flag(config), "$(LWS_LEADER_ADDRESS)"]
    own = [*map(double_dollars, arguments), *address, *last]
    if step == 1:
        return ["vllm", "serve", *own, flag, "$(LWS_WORKER_INDEX)"]
    script = f'exec vllm serve "$@" {flag} "$((LWS_WORKER_INDEX * {step}))"'
    return ["sh", "-c", double_dollars(script), "vllm", *own]
