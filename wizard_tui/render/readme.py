"""README.md of a directory of artifacts: how to start, stop, test and roll back each of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence

from wizard_tui.render.artifact import Artifact, Run
from wizard_tui.render.client import base_url
from wizard_tui.render.container import instance_name, port_of, startup_seconds
from wizard_tui.render.env_template import ARTIFACT as ENV
from wizard_tui.render.env_template import secret_variables
from wizard_tui.render.pod import needs_secret
from wizard_tui.render.registry import ARTIFACTS
from wizard_tui.schemas.outputs import VLLMConfig

_ROLL_BACK = """\
Keep this directory under version control (not `.env`). Stop the server, restore the former files, start it again.
"""
_AGAIN = "vllm-wizard-tui generate --profile profile.yaml --output-dir ."


def render_readme(config: VLLMConfig, names: Collection[str]) -> str:
    """Markdown for the artifacts, and the profile, called `names`.

    A user's own words appear only in a code block, as JSON in ASCII.
    """
    made = [artifact for artifact in ARTIFACTS.values() if artifact.name in names]
    runs = {artifact.title: run for artifact in made if (run := artifact.run_of(config)) is not None}
    parts = [
        f"# {instance_name(config)}\n",
        *_contents(config, made, "profile" in names),
        "## Start\n",
        *_start(config, runs, ENV in made),
        *_template(config),
        "## Test\n",
        *_test(config, made),
        "## Stop\n",
        *(f"{title}:\n\n{_commands(config, run.stop)}" for title, run in runs.items()),
        "## Roll back\n",
        _ROLL_BACK,
        *(f"{title}:\n\n{_commands(config, run.undo)}" for title, run in runs.items() if run.undo),
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _contents(config: VLLMConfig, made: list[Artifact], with_profile: bool) -> list[str]:
    facts = f"model  {json.dumps(config.model)}\nvLLM   {config.deployment.vllm_version}"
    files = [f"- `{artifact.filename}`: {artifact.title}" for artifact in made]
    plan = "- `plan.json`: the plan and its memory in full\n"
    if not with_profile:
        return [_block(facts), *files, plan]
    again = ["All of it is made again, byte by byte, by:\n", _commands(config, _AGAIN)]
    return [_block(facts), *files, "- `profile.yaml`: what was asked for", plan, *again]


def _start(config: VLLMConfig, runs: Mapping[str, Run], with_template: bool) -> list[str]:
    secret = needs_secret(config)
    text = []
    if secret and runs:
        text += [
            "Token and API key come from a file `.env` that only you can read:\n",
            _env_file(config, with_template),
        ]
    for title, run in runs.items():
        where = ", on every machine" if config.deployment.nodes > 1 and run.place == "every machine" else ""
        commands = [run.secrets, run.start] if run.secrets and secret else [run.start]
        text += [f"{title}{where}:\n", _commands(config, *commands)]
    return [*text, f"The first start downloads, loads and compiles; allow {startup_seconds(config) // 60} minutes.\n"]


def _template(config: VLLMConfig) -> list[str]:
    """The note on the file that tool calls need where vLLM does not run in its own image."""
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


def _test(config: VLLMConfig, made: Sequence[Artifact]) -> list[str]:
    health = base_url(config).removesuffix("/v1") + "/health"
    asks = _commands(config, f"curl --fail {health}", *(artifact.ask for artifact in made if artifact.ask))
    if not any(artifact.run is not None and artifact.run.place == "cluster" for artifact in made):
        return [asks]
    forward = f"kubectl port-forward service/{{name}} {port_of(config)}"
    first = "On Kubernetes, in another terminal first (the chart's service has its own name and port):\n"
    return [first, _commands(config, forward), asks]


def _commands(config: VLLMConfig, *lines: str) -> str:
    return _block("\n".join(lines).replace("{name}", instance_name(config)))


def _block(text: str) -> str:
    """Text indented as a code block, in which Markdown has no meaning."""
    return "".join(f"    {line}\n" for line in text.splitlines())
