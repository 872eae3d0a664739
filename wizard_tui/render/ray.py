"""A Ray cluster on bare machines and vLLM on it."""

from __future__ import annotations

from typing import Any

from wizard_tui.render.arguments import serve_lines
from wizard_tui.render.artifact import CTRL_C, SECRETS_FROM_ENV, Artifact, Run
from wizard_tui.render.serve import api_key_prefix
from wizard_tui.render.shell import command
from wizard_tui.schemas.outputs import VLLMConfig

RAY_PORT = 6379

_HEAD = f"""\
# On every machine set MASTER_ADDR to the first one's address and NODE_RANK to 0, 1, ...; Ray is installed beside vLLM
# (pip install 'ray[default]').
if [ "${{NODE_RANK:?0 on the first machine, then 1, 2, ...}}" -ne 0 ]; then
  exec ray start --address "${{MASTER_ADDR:?address of the first machine}}:{RAY_PORT}" --block
fi
ray start --head --node-ip-address "${{MASTER_ADDR:?address of the first machine}}" --port {RAY_PORT}
trap 'ray stop' EXIT
"""


def ray_options(config: VLLMConfig) -> dict[str, Any]:
    """Options that make vLLM place its workers with Ray."""
    options = {"distributed_executor_backend": "ray"}
    if (config.data_parallel_size or 1) > 1:
        options["data_parallel_backend"] = "ray"
    return options


def render_ray_start(config: VLLMConfig) -> str:
    """A script for every machine: the first starts the cluster and the server, the others join.

    Raises Refusal for a flag the planned vLLM does not have.
    """
    (model, *flags) = serve_lines(config, ray_options(config))
    return _HEAD + command([[*api_key_prefix(config), "vllm", "serve", *model], *flags])


ARTIFACT = Artifact(
    name="ray",
    filename="ray.sh",
    title="Ray cluster",
    render=render_ray_start,
    executable=True,
    nodes="several",
    writes_flags=True,
    run=Run(
        start="./ray.sh",
        stop=f"{CTRL_C}, then on every machine:\nray stop",
        secrets=SECRETS_FROM_ENV,
        place="every machine",
        in_container=False,
    ),
)
