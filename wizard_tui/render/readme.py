"""README.md of a directory of artifacts: how to start, stop, test and roll back what is in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from wizard_tui.render.client import base_url
from wizard_tui.render.container import instance_name, port_of, startup_seconds
from wizard_tui.render.env_template import secret_variables
from wizard_tui.render.pod import needs_secret
from wizard_tui.render.registry import ARTIFACTS, Artifact
from wizard_tui.schemas.outputs import VLLMConfig


@dataclass(frozen=True)
class _Way:
    """One way to run the server: shell commands, in which {name} is the instance.

    `secrets` puts token and API key where this way looks for them; `undo` rolls back what restoring files does not.
    """

    start: str
    stop: str
    secrets: str = ""
    undo: str = ""


_CTRL_C = "# press Ctrl-C where it runs"
_FROM_ENV = "set -a; . ./.env; set +a"
_SECRET = "kubectl create secret generic {name} --from-env-file=.env"  # noqa: S105

_WAYS = {
    "serve": _Way("./serve.sh", _CTRL_C, _FROM_ENV),
    "config": _Way("# as the first line of vllm.yaml says", _CTRL_C, _FROM_ENV),
    "docker": _Way("./docker-run.sh", "docker rm --force {name}", _FROM_ENV),
    "compose": _Way("docker compose up --detach", "docker compose down"),
    "k8s": _Way("kubectl apply -f k8s.yaml", "kubectl delete -f k8s.yaml", _SECRET),
    "kustomize": _Way("kubectl apply -k .", "kubectl delete -k ."),
    "helm": _Way(
        "helm repo add vllm https://vllm-project.github.io/production-stack\n"
        "helm upgrade --install vllm vllm/vllm-stack -f helm-values.yaml",
        "helm uninstall vllm",
        _SECRET,
        "helm rollback vllm",
    ),
    "kuberay": _Way("kubectl apply -f kuberay.yaml", "kubectl delete -f kuberay.yaml", _SECRET),
    "ray": _Way("./ray.sh", f"{_CTRL_C}, then on every machine:\nray stop", _FROM_ENV),
    "systemd": _Way(
        "sudo install -m 644 vllm.service /etc/systemd/system/{name}.service\n"
        "sudo systemctl daemon-reload\nsudo systemctl enable --now {name}",
        "sudo systemctl disable --now {name}",
        "sudo install -D -m 600 .env /etc/vllm/{name}.env",
    ),
    "quadlet": _Way(
        "install -D -m 600 vllm.container ~/.config/containers/systemd/{name}.container\n"
        "systemctl --user daemon-reload\nsystemctl --user start {name}",
        "systemctl --user stop {name}",
        "install -D -m 600 .env ~/.config/vllm/{name}.env",
    ),
    "slurm": _Way("sbatch slurm.sh", "scancel --name {name}", _FROM_ENV),
}
_COMPOSE_BY_ROLE = _Way(
    "# on the first machine, then on each other one\n"
    "docker compose --profile head up --detach\ndocker compose --profile worker up --detach",
    "docker compose --profile '*' down",
)
_ROLL_BACK = """\
Keep this directory under version control (not `.env`). Stop the server, restore the former files, start it again.
"""
_AGAIN = "vllm-wizard-tui generate --profile profile.yaml --output-dir ."
_PER_MACHINE = ("serve", "docker", "ray")
_IN_CLUSTER = frozenset({"k8s", "kustomize", "helm", "kuberay"})
_ASK = {"curl": "./ask.sh", "python": "python3 ask.py"}


def render_readme(config: VLLMConfig, names: Collection[str]) -> str:
    """Markdown for the artifacts, and the profile, called `names`.

    A user's own words stand in a code block only, as JSON in ASCII.
    """
    made = [artifact for artifact in ARTIFACTS.values() if artifact.name in names]
    ways = {artifact: _way(config, artifact) for artifact in made if artifact.name in _WAYS}
    parts = [
        f"# {instance_name(config)}\n",
        *_contents(config, made, "profile" in names),
        "## Start\n",
        *_start(config, ways, "env" in names),
        *_template(config),
        "## Test\n",
        *_test(config, names),
        "## Stop\n",
        *(f"{artifact.title}:\n\n{_commands(config, way.stop)}" for artifact, way in ways.items()),
        "## Roll back\n",
        _ROLL_BACK,
        *(f"{artifact.title}:\n\n{_commands(config, way.undo)}" for artifact, way in ways.items() if way.undo),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _way(config: VLLMConfig, artifact: Artifact) -> _Way:
    by_role = artifact.name == "compose" and config.deployment.nodes > 1
    return _COMPOSE_BY_ROLE if by_role else _WAYS[artifact.name]


def _contents(config: VLLMConfig, made: list[Artifact], with_profile: bool) -> list[str]:
    facts = f"model  {json.dumps(config.model)}\nvLLM   {config.deployment.vllm_version}"
    files = [f"- `{artifact.filename}`: {artifact.title}" for artifact in made]
    plan = "- `plan.json`: the plan and its memory in full\n"
    if not with_profile:
        return [_block(facts), *files, plan]
    again = ["All of it is made again, byte by byte, by:\n", _commands(config, _AGAIN)]
    return [_block(facts), *files, "- `profile.yaml`: what was asked for", plan, *again]


def _start(config: VLLMConfig, ways: Mapping[Artifact, _Way], with_template: bool) -> list[str]:
    secret = needs_secret(config)
    text = []
    if secret and ways:
        text += [
            "Token and API key come from a file `.env` that only you can read:\n",
            _env_file(config, with_template),
        ]
    for artifact, way in ways.items():
        where = ", on every machine" if config.deployment.nodes > 1 and artifact.name in _PER_MACHINE else ""
        commands = [way.secrets, way.start] if way.secrets and secret else [way.start]
        text += [f"{artifact.title}{where}:\n", _commands(config, *commands)]
    return [*text, f"The first start downloads, loads and compiles; allow {startup_seconds(config) // 60} minutes.\n"]


def _template(config: VLLMConfig) -> list[str]:
    """What tool calls need where vLLM does not run in its own image."""
    facts = config.deployment
    if facts.chat_template is None or config.chat_template is not None:
        return []
    where = (
        "Containers have the chat template for tool calls. What runs without one needs"
        if facts.chat_template_in_image
        else "Tool calls need"
    )
    return [
        f"{where} `--chat-template` with the file `examples/{facts.chat_template}` of vLLM's source "
        "(https://github.com/vllm-project/vllm).\n"
    ]


def _env_file(config: VLLMConfig, with_template: bool) -> str:
    if with_template:
        return _block("install -m 600 env.template .env\n${EDITOR:-vi} .env")
    needed = " and ".join(f"{variable}=..." for variable in secret_variables(config))
    return _block(f"install -m 600 /dev/null .env\n${{EDITOR:-vi}} .env  # {needed}")


def _test(config: VLLMConfig, names: Collection[str]) -> list[str]:
    health = base_url(config).removesuffix("/v1") + "/health"
    asks = _commands(config, f"curl --fail {health}", *(line for name, line in _ASK.items() if name in names))
    if _IN_CLUSTER.isdisjoint(names):
        return [asks]
    forward = f"kubectl port-forward service/{{name}} {port_of(config)}"
    first = "On Kubernetes, in another terminal first (the chart's service has its own name and port):\n"
    return [first, _commands(config, forward), asks]


def _commands(config: VLLMConfig, *lines: str) -> str:
    return _block("\n".join(lines).replace("{name}", instance_name(config)))


def _block(text: str) -> str:
    """Text indented as a code block, in which Markdown has no meaning."""
    return "".join(f"    {line}\n" for line in text.splitlines())
