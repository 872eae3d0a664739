"""`docker run`, for NVIDIA's runtime and for ROCm.

Options follow vLLM's installation pages (docs/getting_started/installation/gpu.cuda.inc.md, gpu.rocm.inc.md).
"""

from __future__ import annotations

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.arguments import Line, flat, serve_arguments, serve_lines
from wizard_tui.render.artifact import SECRETS_FROM_ENV, Artifact, Run
from wizard_tui.render.container import (
    HF_CACHE,
    HOST_HF_CACHE,
    VLLM_CACHE,
    health_text,
    image,
    inside,
    instance_name,
    is_offline,
    mount_option,
    mounts,
    port_of,
    published_address,
    startup_seconds,
)
from wizard_tui.render.nodes import node_options
from wizard_tui.render.serve import api_key_prefix, node_comment, node_lines
from wizard_tui.render.shell import Shell, command
from wizard_tui.schemas.outputs import VLLMConfig


def render_docker_command(config: VLLMConfig) -> str:
    """A detached container that restarts, has a health check and listens where the configuration says.

    Raises Refusal for a flag the planned vLLM does not have.
    """
    cache = Shell(f'"{HOST_HF_CACHE}:{HF_CACHE}"')
    (model, *flags) = [*serve_lines(inside(config), node_options(config)), *node_lines(config)]
    start = [*api_key_prefix(config), "docker", "run"]
    stays: list[Line] = [("--detach",), ("--restart", "unless-stopped")]
    return node_comment(config) + command([start, *stays, *_lines(config, cache), ("serve", *model), *flags])


def docker_arguments(config: VLLMConfig, hf_cache: str) -> list[str]:
    """The same for one machine as an argument list, with the Hub's cache directory; no shell reads it.

    The container stays in the foreground and is removed when it ends.
    """
    lines = _lines(config, f"{hf_cache}:{HF_CACHE}")
    return ["docker", "run", "--rm", *flat(lines), "serve", *serve_arguments(inside(config), node_options(config))]


def _lines(config: VLLMConfig, cache: str) -> list[Line]:
    return [
        ("--name", instance_name(config)),
        *_gpus(config),
        ("--ipc", "host"),
        ("--ulimit", "memlock=-1", "--ulimit", "stack=67108864"),
        *_network(config),
        *_storage(config, cache),
        *_environment(config),
        *_health(config),
        ("--entrypoint", "vllm"),
        (image(config),),
    ]


def _gpus(config: VLLMConfig) -> list[Line]:
    deployment = config.deployment
    platform = platform_named(deployment.gpu_vendor)
    if platform.docker_runtimes:
        chosen = ",".join(map(str, deployment.gpu_indices or ()))
        # docker reads the value as CSV
        return [("--gpus", f'"device={chosen}"' if chosen else str(deployment.gpu_count))]
    options = [
        *(("--group-add", group) for group in platform.groups),
        *(("--cap-add", capability) for capability in platform.capabilities),
        *(("--security-opt", option) for option in platform.security_options),
    ]
    lines = [
        flat([("--device", device) for device in platform.devices]),
        flat(options),
        *([("--env", variable) for variable in platform.environment(deployment.gpu_indices)]),
    ]
    return [tuple(line) for line in lines if line]


def _network(config: VLLMConfig) -> list[Line]:
    if config.deployment.nodes > 1:
        return [("--network", "host")]
    return [("--publish", f"{published_address(config)}:{port_of(config)}")]


def _storage(config: VLLMConfig, cache: str) -> list[Line]:
    return [
        *([] if is_offline(config) else [("--volume", cache)]),
        ("--volume", f"vllm-cache:{VLLM_CACHE}"),
        *(("--mount", mount_option(mount)) for mount in mounts(config)),
    ]


def _environment(config: VLLMConfig) -> list[Line]:
    names = ["HF_HUB_OFFLINE=1"] if is_offline(config) else ["HF_TOKEN"]
    if config.deployment.api_key_env:
        names.append("VLLM_API_KEY")
    return [("--env", name) for name in names]


def _health(config: VLLMConfig) -> list[Line]:
    if config.deployment.nodes > 1:  # only the first machine answers
        return []
    return [
        ("--health-cmd", health_text(config)),
        ("--health-interval", "10s", "--health-timeout", "5s", "--health-retries", "3"),
        ("--health-start-period", f"{startup_seconds(config)}s"),
    ]


ARTIFACT = Artifact(
    name="docker",
    filename="docker-run.sh",
    title="docker run",
    render=render_docker_command,
    executable=True,
    writes_flags=True,
    run=Run(
        start="./docker-run.sh",
        stop="docker rm --force {name}",
        secrets=SECRETS_FROM_ENV,
        place="every machine",
        in_container=True,
    ),
)
