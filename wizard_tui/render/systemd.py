"""A systemd unit for the vLLM installed on the machine, confined to what it needs."""

from __future__ import annotations

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.arguments import serve_lines
from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.container import instance_name, is_offline
from wizard_tui.render.serve import visible_devices
from wizard_tui.render.unit_text import unit_command, unit_section, unit_word
from wizard_tui.schemas.outputs import VLLMConfig

Setting = tuple[str, str]

_CONFINEMENT: tuple[Setting, ...] = (
    ("NoNewPrivileges", "yes"),
    ("ProtectSystem", "strict"),
    ("PrivateTmp", "yes"),
    ("PrivateMounts", "yes"),
    ("ProtectProc", "invisible"),
    ("UMask", "0077"),
    ("ProtectClock", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK"),
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("CapabilityBoundingSet", ""),
    ("SystemCallArchitectures", "native"),
)
"""No PrivateDevices, for the GPUs; no MemoryDenyWriteExecute, for the compiled kernels; and no SystemCallFilter, since
what CUDA and NCCL call between processes changes with the driver."""


def render_systemd_unit(config: VLLMConfig) -> str:
    """A unit that runs as its own user, with caches under /var/cache and secrets from /etc/vllm.

    Raises Refusal for a flag the planned vLLM does not have.
    """
    name = instance_name(config)
    groups = platform_named(config.deployment.gpu_vendor).device_groups
    service: list[Setting] = [
        ("Type", "exec"),
        ("DynamicUser", "yes"),
        *([("SupplementaryGroups", " ".join(groups))] if groups else []),
        ("CacheDirectory", "%N"),
        ("Environment", "PATH=/opt/vllm/bin:/usr/local/bin:/usr/bin:/bin"),
        ("Environment", "HOME=%C/%N HF_HOME=%C/%N/huggingface VLLM_CACHE_ROOT=%C/%N/vllm"),
        *(("Environment", variable) for variable in visible_devices(config)),
        *([("Environment", "HF_HUB_OFFLINE=1")] if is_offline(config) else []),
        *secrets(config, f"/etc/vllm/{name}.env"),
        ("ExecStart", unit_command(_command(config))),
        ("Restart", "on-failure"),
        ("RestartSec", "15"),
        ("TimeoutStopSec", "60"),
        ("KillMode", "mixed"),
        ("LimitMEMLOCK", "infinity"),
        ("LimitNOFILE", "1048576"),
        ("ProtectHome", "read-only" if config.deployment.model_is_local else "yes"),
        *_CONFINEMENT,
    ]
    return "\n".join(
        [
            f"# /etc/systemd/system/{name}.service, for a vLLM installed in /opt/vllm (change PATH below for another)",
            unit_section("Unit", unit_head(f"vLLM {name}")),
            unit_section("Service", service),
            unit_section("Install", [("WantedBy", "multi-user.target")]),
        ]
    )


def unit_head(description: str) -> list[Setting]:
    """The settings of [Unit]: start after the network, give up after five failed starts."""
    return [
        ("Description", description),
        ("Wants", "network-online.target"),
        ("After", "network-online.target nvidia-persistenced.service"),
        ("StartLimitIntervalSec", "1h"),
        ("StartLimitBurst", "5"),
    ]


def secrets(config: VLLMConfig, path: str) -> list[Setting]:
    """Where token and API key are read from. With an API key the file must exist and hold the key."""
    if not config.deployment.api_key_env:
        return [] if is_offline(config) else [("EnvironmentFile", f"-{path}")]
    check = unit_word('test -n "$VLLM_API_KEY"')
    return [("EnvironmentFile", path), ("ExecStartPre", f"/bin/sh -c {check}")]


def _command(config: VLLMConfig) -> list[tuple[str, ...]]:
    (model, *flags) = serve_lines(config)
    return [("/usr/bin/env", "vllm", "serve", *model), *flags]


ARTIFACT = Artifact(
    name="systemd",
    filename="vllm.service",
    title="systemd",
    render=render_systemd_unit,
    nodes="one",
    writes_flags=True,
    run=Run(
        start="sudo install -m 644 vllm.service /etc/systemd/system/{name}.service\n"
        "sudo systemctl daemon-reload\nsudo systemctl enable --now {name}",
        stop="sudo systemctl disable --now {name}",
        secrets="sudo install -D -m 600 .env /etc/vllm/{name}.env",
        place="once",
        in_container=False,
    ),
)
