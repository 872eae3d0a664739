"""A Slurm batch script."""

from __future__ import annotations

from wizard_tui.render.arguments import serve_lines
from wizard_tui.render.artifact import SECRETS_FROM_ENV, Artifact, Run
from wizard_tui.render.container import instance_name
from wizard_tui.render.nodes import node_options
from wizard_tui.render.serve import api_key_prefix, node_lines
from wizard_tui.render.shell import command
from wizard_tui.schemas.outputs import VLLMConfig

_CPUS_PER_GPU = 8

# each task finds its place from what Slurm sets
_PLACE = """\
  NODE_RANK=$SLURM_NODEID
  MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
  [ "$NODE_RANK" -eq 0 ] || HEADLESS=1
"""


def render_slurm_script(config: VLLMConfig) -> str:
    """The script for `sbatch`: one task per node, which gets the node's GPUs.

    Slurm chooses the GPUs, so chosen indices do not count. Raises Refusal for a flag the planned vLLM does
    not have.
    """
    deployment, name = config.deployment, instance_name(config)
    options = {
        "job-name": name,
        "output": f"{name}-%j.log",
        "nodes": deployment.nodes,
        "ntasks-per-node": 1,
        "gpus-per-node": deployment.gpu_count,
        "cpus-per-task": _CPUS_PER_GPU * deployment.gpu_count,
        "time": "24:00:00",
    }
    lines = [
        "#!/usr/bin/env bash",
        *(f"#SBATCH --{key}={value}" for key, value in options.items()),
        "set -euo pipefail",
        "",
        "serve() {",
        f"{_PLACE if deployment.nodes > 1 else ''}  {_serve(config)}}}",
        "export -f serve",
        "srun bash -c 'set -euo pipefail; serve'",
        "",
    ]
    return "\n".join(lines)


def _serve(config: VLLMConfig) -> str:
    (model, *flags) = [*serve_lines(config, node_options(config)), *node_lines(config)]
    return command([[*api_key_prefix(config), "vllm", "serve", *model], *flags])


ARTIFACT = Artifact(
    name="slurm",
    filename="slurm.sh",
    title="Slurm",
    render=render_slurm_script,
    writes_flags=True,
    run=Run(
        start="sbatch slurm.sh",
        stop="scancel --name {name}",
        secrets=SECRETS_FROM_ENV,
        place="once",
        in_container=False,
    ),
)
