"""The batch script as bash runs it, with Slurm's programs replaced."""

from __future__ import annotations

from hypothesis import given

from tests.render.readers import options, run_bash
from tests.render.samples import a_config, named, on_two_nodes
from wizard_tui.render.slurm import render_slurm_script
from wizard_tui.schemas.outputs import VLLMConfig

SLURM = """\
srun() { "$@"; }
scontrol() { printf '%s\\n' node7 node8; }
export -f srun scontrol
"""


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    read = options(run_bash(render_slurm_script(config), "vllm", before=SLURM)[2:])
    for field in ("model", "served_model_name", "revision", "chat_template"):
        assert read[field] == getattr(config, field), field


def test_each_task_finds_its_place() -> None:
    script = render_slurm_script(on_two_nodes(a_config()))
    for rank, is_head in (("0", True), ("1", False)):
        place = {"SLURM_NODEID": rank, "SLURM_JOB_NODELIST": "node[7-8]"}
        read = options(run_bash(script, "vllm", before=SLURM, **place)[2:])
        assert read["master_addr"] == "node7"
        assert read["node_rank"] == rank
        assert ("headless" not in read) == is_head


@given(named)
def test_directives_come_first_and_hold_no_text_of_the_user(config: VLLMConfig) -> None:
    first, *lines = render_slurm_script(on_two_nodes(config)).split("\n")
    assert first == "#!/usr/bin/env bash"
    directives = [line for line in lines if line.startswith("#SBATCH")]
    assert lines[: len(directives)] == directives, "sbatch stops reading at the first command"
    assert {"#SBATCH --nodes=2", "#SBATCH --gpus-per-node=8", "#SBATCH --ntasks-per-node=1"} <= set(directives)
