"""`vllm serve` as a command for bash."""

from __future__ import annotations

from wizard_tui.engine.platforms import platform_named
from wizard_tui.render.arguments import Line, serve_lines
from wizard_tui.render.artifact import CTRL_C, SECRETS_FROM_ENV, Artifact, Run
from wizard_tui.render.nodes import address_flag, node_options, rank_flag
from wizard_tui.render.shell import Shell, command, required
from wizard_tui.schemas.outputs import VLLMConfig

_ON_EACH_NODE = """\
# On every machine set MASTER_ADDR to the first one's address and NODE_RANK to 0, 1, ...; from 1 on also HEADLESS=1.
"""


def render_serve_command(config: VLLMConfig) -> str:
    """The command, one flag per line, every word quoted for bash.

    The environment variables it needs come before it: the GPUs chosen by number, and the API key, taken from the
    variable that the user named and never written out. Raises Refusal for a flag the planned vLLM does not have.
    """
    words = [*visible_devices(config), *api_key_prefix(config), "vllm", "serve"]
    (model, *flags) = [*serve_lines(config, node_options(config)), *node_lines(config)]
    return node_comment(config) + command([[*words, *model], *flags])


def api_key_prefix(config: VLLMConfig) -> list[str]:
    """An assignment before a command: it passes the user's variable to vLLM, and stops when it is not set."""
    variable = config.deployment.api_key_env
    return [Shell(f"VLLM_API_KEY={required(variable, 'set it to the API key')}")] if variable else []


def node_comment(config: VLLMConfig) -> str:
    """How to start the machines of a multi-node server; empty for one."""
    return _ON_EACH_NODE if config.deployment.nodes > 1 else ""


def node_lines(config: VLLMConfig) -> list[Line]:
    """The flags that differ from machine to machine; their values come from the environment."""
    if config.deployment.nodes == 1:
        return []
    flag, step = rank_flag(config)
    rank = required("NODE_RANK", "0 on the first machine, then 1, 2, ...")
    if step > 1:
        rank = Shell(f'"$((NODE_RANK * {step}))"')
    return [
        (address_flag(config), required("MASTER_ADDR", "address of the first machine")),
        (flag, rank),
        (Shell("${HEADLESS:+--headless}"),),
    ]


def visible_devices(config: VLLMConfig) -> list[str]:
    """Assignments that show vLLM only the chosen GPUs, numbered as the driver's own tool numbers them."""
    deployment = config.deployment
    return list(platform_named(deployment.gpu_vendor).environment(deployment.gpu_indices))


ARTIFACT = Artifact(
    name="serve",
    filename="serve.sh",
    title="vllm serve",
    render=render_serve_command,
    executable=True,
    writes_flags=True,
    run=Run(start="./serve.sh", stop=CTRL_C, secrets=SECRETS_FROM_ENV, place="every machine", in_container=False),
)
