"""A Podman Quadlet: a .container file that systemd turns into a service (podman-systemd.unit(5))."""

from __future__ import annotations

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.arguments import serve_lines
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import (
    HF_CACHE,
    SHM_GIB,
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
from wizard_tui.render.systemd import Setting, secrets, unit_head
from wizard_tui.render.unit_text import unit_command, unit_section, unit_word
from wizard_tui.schemas.outputs import VLLMConfig


def render_quadlet(config: VLLMConfig) -> str:
    """The file for ~/.config/containers/systemd or /etc/containers/systemd.

    Text that may hold any character goes through PodmanArgs=, which is split and unescaped like a command. Raises
    Refusal for a flag the planned vLLM does not have.
    """
    name = instance_name(config)
    published = unit_word(f"{published_address(config)}:{port_of(config)}")
    (model, *flags) = serve_lines(inside(config))
    container: list[Setting] = [
        ("ContainerName", name),
        ("Image", image(config)),
        ("PodmanArgs", "--entrypoint vllm"),
        ("Exec", unit_command([("serve", *model), *flags])),
        *_gpus(config),
        ("ShmSize", f"{SHM_GIB}g"),
        ("Ulimit", "memlock=-1:-1"),
        ("PodmanArgs", f"--publish {published}"),
        *([] if is_offline(config) else [("Volume", f"vllm-huggingface:{HF_CACHE}")]),
        ("Volume", f"vllm-cache:{VLLM_CACHE}"),
        *(("PodmanArgs", f"--mount {unit_word(mount_option(mount))}") for mount in mounts(config)),
        *([("Environment", "HF_HUB_OFFLINE=1")] if is_offline(config) else [("PodmanArgs", "--env HF_TOKEN")]),
        *([("PodmanArgs", "--env VLLM_API_KEY")] if config.deployment.api_key_env else []),
        ("HealthCmd", health_text(config)),
        ("HealthInterval", "10s"),
        ("HealthRetries", "3"),
        ("HealthStartPeriod", f"{startup_seconds(config)}s"),
    ]
    service: list[Setting] = [
        *secrets(config, f"%E/vllm/{name}.env"),
        ("Restart", "on-failure"),
        ("RestartSec", "15"),
        ("TimeoutStartSec", str(startup_seconds(config))),
    ]
    return "\n".join(
        [
            f"# ~/.config/containers/systemd/{name}.container",
            unit_section("Unit", unit_head(f"vLLM {name}")),
            unit_section("Container", container),
            unit_section("Service", service),
            unit_section("Install", [("WantedBy", "default.target")]),
        ]
    )


def _gpus(config: VLLMConfig) -> list[Setting]:
    deployment = config.deployment
    platform = platform_named(deployment.gpu_vendor)
    if platform.cdi:
        indices = deployment.gpu_indices or range(deployment.gpu_count)
        return [("AddDevice", f"{platform.cdi}={index}") for index in indices] + [("SecurityLabelDisable", "true")]
    return [
        *(("AddDevice", device) for device in platform.devices),
        *([("GroupAdd", "keep-groups")] if platform.groups else []),
        ("SecurityLabelDisable", "true"),
        *(("Environment", variable) for variable in platform.environment(deployment.gpu_indices)),
    ]


ARTIFACT = Artifact(
    name="quadlet",
    filename="vllm.container",
    title="Podman Quadlet",
    render=render_quadlet,
    nodes="one",
    writes_flags=True,
    run=Run(
        start="install -D -m 600 vllm.container ~/.config/containers/systemd/{name}.container\n"
        "systemctl --user daemon-reload\nsystemctl --user start {name}",
        stop="systemctl --user stop {name}",
        secrets="install -D -m 600 .env ~/.config/vllm/{name}.env",
        place="once",
        in_container=True,
    ),
)
