"""Completion, asked of real shells: their script is evaluated, and lines are completed as at the keyboard."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from wizard_tui.cli import completion
from wizard_tui.hardware.catalog import all_gpus, get_gpu_by_name

PROGRAMS = Path(sys.executable).parent

_COMPLETE = """
eval "$(vllm-wizard-tui completion bash)"
while read -r line; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_TYPE=9 COMPREPLY=()
    "$(complete -p vllm-wizard-tui | sed 's/.*-F \\([^ ]*\\).*/\\1/')" vllm-wizard-tui
    echo "${COMPREPLY[*]}"
done
"""

LINES = {
    "vllm-wizard-tui pl": "plan",
    "vllm-wizard-tui models sh": "show",
    "vllm-wizard-tui --fr": "--fresh",
    "vllm-wizard-tui plan --max-mod": "--max-model-len",
    "vllm-wizard-tui plan --gpu H100-8": "H100-80GB-HBM3",
    "vllm-wizard-tui plan -m Qwen/Qwen3-32B-A": "Qwen/Qwen3-32B-AWQ",
    "vllm-wizard-tui plan --dtype fl": "float16 float32",
    "vllm-wizard-tui plan --quantization fp8_per_t": "fp8_per_tensor",
    "vllm-wizard-tui generate --emit serve,kustomize,com": "serve,kustomize,compose",
    "vllm-wizard-tui launch --way sys": "systemd",
    "vllm-wizard-tui completion b": "bash",
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_gpus_models_and_artifacts(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", _COMPLETE],
        input="".join(f"{line}\n" for line in LINES),
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )
    assert dict(zip(LINES, (line.strip() for line in done.stdout.splitlines()), strict=True)) == LINES
    assert done.stderr == ""


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_fish_completes_the_same(tmp_path: Path) -> None:
    asked = "; ".join(f"complete -C '{line}'; echo ." for line in LINES)
    done = subprocess.run(
        ["fish", "-c", f"vllm-wizard-tui completion fish | source; {asked}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(tmp_path)},
    )
    answers = [" ".join(row.partition("\t")[0] for row in part.split("\n") if row) for part in done.stdout.split(".\n")]
    assert dict(zip(LINES, answers, strict=False)) == LINES


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_every_shell_gets_its_script(shell: str) -> None:
    code = completion.shell_code(shell)
    assert "vllm-wizard-tui" in code
    assert ("complete" if shell != "zsh" else "compdef") in code


def test_a_completed_gpu_is_the_one_that_it_names() -> None:
    assert [get_gpu_by_name(name) for name in completion.gpus("")] == list(all_gpus())


def test_artifacts_are_completed_behind_commas_and_not_twice() -> None:
    assert completion.artifacts("serve,s") == ["serve,systemd", "serve,slurm"]
    assert "profile" in completion.artifacts("")
