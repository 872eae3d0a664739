"""The file that `vllm serve --config FILE` reads."""

from __future__ import annotations

from typing import Any

from wizard_tui.engine.flags import checked_text, flag_arguments
from wizard_tui.render.arguments import set_options
from wizard_tui.render.artifact import CTRL_C, SECRETS_FROM_ENV, Artifact, Run
from wizard_tui.render.serve import api_key_prefix, visible_devices
from wizard_tui.render.shell import command
from wizard_tui.render.yaml_text import to_yaml
from wizard_tui.schemas.outputs import VLLMConfig


def render_config_file(config: VLLMConfig) -> str:
    """Long flag names without dashes and their values.

    vLLM ignores `false` for most options, so an option switched off is written as its negative flag with `true`
    (`FlexibleArgumentParser.load_config_file`). A value with a leading dash would be read as a flag, so it follows `=`
    in the key. Raises Refusal for a flag the planned vLLM does not have.
    """
    document: dict[str, Any] = {"model": checked_text(config.model, "the model's name")}
    for name, value in set_options(config).items():
        line = flag_arguments(name, value, config.deployment.vllm_version)
        if line:
            flag, *values = line
            document[flag[2:]] = value if values else True
    start = command([[*visible_devices(config), *api_key_prefix(config), "vllm", "serve", "--config", "vllm.yaml"]])
    return f"# {start}" + to_yaml(document)


ARTIFACT = Artifact(
    name="config",
    filename="vllm.yaml",
    title="vllm serve --config",
    render=render_config_file,
    nodes="one",
    writes_flags=True,
    run=Run(
        start="# as the first line of vllm.yaml says",
        stop=CTRL_C,
        secrets=SECRETS_FROM_ENV,
        place="once",
        in_container=False,
    ),
)
