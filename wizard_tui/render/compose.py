"""A Docker Compose file (the Compose Specification, which has no `version` key)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.arguments import double_dollars, serve_arguments
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import (
    HF_CACHE,
    HOST_HF_CACHE,
    VLLM_CACHE,
    health_command,
    image,
    inside,
    instance_name,
    is_offline,
    mounts,
    port_of,
    published_address,
    startup_seconds,
)
from wizard_tui.render.nodes import address_flag, node_options, rank_flag
from wizard_tui.render.yaml_text import to_yaml
from wizard_tui.schemas.outputs import VLLMConfig


def render_docker_compose(config: VLLMConfig, *, restart: str = "unless-stopped") -> str:
    """One service, or for several machines the services `head` and `worker`, each behind a profile of that name.

    `restart` is Compose's word for what happens when a container ends.
    Raises Refusal for a flag the planned vLLM does not have.
    """
    document = {
        "name": instance_name(config),
        "services": _services(config, restart),
        "volumes": {"vllm-cache": {}},
    }
    return to_yaml(document)


def _services(config: VLLMConfig, restart: str) -> dict[str, Any]:
    if config.deployment.nodes == 1:
        return {"vllm": _service(config, restart, [])}
    address = [address_flag(config), "${MASTER_ADDR:?address of the first machine}"]
    flag, step = rank_flag(config)
    own_rank = f"${{NODE_RANK:?{step} on the second machine, {2 * step} on the third, ...}}"
    return {
        "head": {"profiles": ["head"], **_service(config, restart, [*address, flag, "0"])},
        "worker": {"profiles": ["worker"], **_service(config, restart, [*address, flag, own_rank, "--headless"])},
    }


def _service(config: VLLMConfig, restart: str, node_arguments: list[str]) -> dict[str, Any]:
    arguments = serve_arguments(inside(config), node_options(config))
    service: dict[str, Any] = {
        "image": image(config),
        "entrypoint": ["vllm", "serve"],
        "command": [*map(double_dollars, arguments), *node_arguments],
        "environment": _environment(config),
        "volumes": _volumes(config),
        "ipc": "host",
        "ulimits": {"memlock": -1, "stack": 67108864},
        **_gpus(config),
        "restart": restart,
        "stop_grace_period": "60s",
    }
    if config.deployment.nodes > 1:
        return {**service, "network_mode": "host"}
    return {
        **service,
        "ports": [double_dollars(f"{published_address(config)}:{port_of(config)}")],
        "healthcheck": {
            "test": ["CMD", *map(double_dollars, health_command(config))],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
            "start_period": f"{startup_seconds(config)}s",
        },
    }


def _environment(config: VLLMConfig) -> dict[str, str | None]:
    values: dict[str, str | None] = {"HF_HUB_OFFLINE": "1"} if is_offline(config) else {"HF_TOKEN": None}
    if key := config.deployment.api_key_env:
        values["VLLM_API_KEY"] = f"${{{key}:?set it to the API key}}"
    platform = platform_named(config.deployment.gpu_vendor)
    if not platform.docker_runtimes:
        values |= dict(pair.split("=", 1) for pair in platform.environment(config.deployment.gpu_indices))
    return values


def _volumes(config: VLLMConfig) -> list[dict[str, Any]]:
    cache = [] if is_offline(config) else [{"type": "bind", "source": HOST_HF_CACHE, "target": HF_CACHE}]
    local = [
        {"type": "bind", "source": double_dollars(mount.source), "target": mount.target, "read_only": True}
        for mount in mounts(config)
    ]
    return [*cache, {"type": "volume", "source": "vllm-cache", "target": VLLM_CACHE}, *local]


def _gpus(config: VLLMConfig) -> dict[str, Any]:
    deployment = config.deployment
    platform = platform_named(deployment.gpu_vendor)
    if not platform.docker_runtimes:
        handed_over = {
            "devices": platform.devices,
            "group_add": platform.groups,
            "cap_add": platform.capabilities,
            "security_opt": platform.security_options,
        }
        return {key: list(values) for key, values in handed_over.items() if values}
    chosen = [str(index) for index in deployment.gpu_indices or ()]
    which: dict[str, Any] = {"device_ids": chosen} if chosen else {"count": deployment.gpu_count}
    device = {"driver": platform.docker_runtimes[0], **which, "capabilities": ["gpu"]}
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}


_RUN = Run(
    start="docker compose up --detach",
    stop="docker compose down",
    secrets="",  # it reads .env
    place="once",
    in_container=True,
)
_BY_ROLE = replace(
    _RUN,
    start="# on the first machine, then on each other one\n"
    "docker compose --profile head up --detach\ndocker compose --profile worker up --detach",
    stop="docker compose --profile '*' down",
)

ARTIFACT = Artifact(
    name="compose",
    filename="docker-compose.yaml",
    title="Docker Compose",
    render=render_docker_compose,
    writes_flags=True,
    run=_RUN,
    run_on_several=_BY_ROLE,
)
