"""Commands and config files read by vLLM's own argument parser.

VLLM_PYTHON names an interpreter that has vLLM installed; without it, this one has to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.render.readers import run_bash
from tests.render.samples import a_config, named
from wizard_tui.engine.flags import flag_arguments, flags_of
from wizard_tui.render import render_serve_command
from wizard_tui.render.config_file import render_config_file
from wizard_tui.schemas.outputs import Deployment, VLLMConfig

PYTHON = os.environ.get("VLLM_PYTHON") or (sys.executable if find_spec("vllm") else None)
PARSER = Path(__file__).with_name("vllm_parser.py")

pytestmark = [
    pytest.mark.real_vllm,
    pytest.mark.skipif(PYTHON is None, reason="vLLM is not installed here, and VLLM_PYTHON names no interpreter"),
]


def parse(*commands: list[str]) -> dict[str, Any]:
    ran = subprocess.run(
        [str(PYTHON), str(PARSER)],
        input=json.dumps({"commands": commands}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    answer: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return answer


@lru_cache(maxsize=1)
def version() -> str:
    code = "import importlib.metadata as m; print(m.version('vllm'))"
    return subprocess.check_output([str(PYTHON), "-c", code], text=True).strip().partition("+")[0]


def planned(config: VLLMConfig) -> VLLMConfig:
    """The same configuration for the installed version."""
    return config.model_copy(update={"deployment": Deployment(vllm_version=version(), image="vllm:v")})


EVERYTHING = a_config(
    tokenizer="org/tokenizer",
    trust_remote_code=True,
    dtype="bfloat16",
    quantization="fp8",
    kv_cache_dtype="fp8",
    tensor_parallel_size=2,
    pipeline_parallel_size=2,
    data_parallel_size=2,
    enable_expert_parallel=True,
    gpu_memory_utilization=0.87,
    kv_cache_memory_bytes=10 << 30,
    max_num_seqs=128,
    max_num_batched_tokens=4096,
    block_size=32,
    enforce_eager=True,
    enable_prefix_caching=False,
    port=8001,
    reasoning_parser="qwen3",
    enable_auto_tool_choice=True,
    tool_call_parser="hermes",
    tokenizer_mode="auto",
    speculative_config={"method": "ngram", "num_speculative_tokens": 3},
)


def expected(config: VLLMConfig) -> dict[str, Any]:
    return {name: value for name, value in config if value is not None and name not in ("deployment", "explanations")}


def differences(config: VLLMConfig, read: dict[str, Any]) -> dict[str, Any]:
    read = {**read, "served_model_name": (read["served_model_name"] or [None])[0]}
    return {name: (value, read[name]) for name, value in expected(config).items() if read[name] != value}


@settings(max_examples=1, phases=[Phase.generate])
@given(st.lists(named, min_size=60, max_size=60))
def test_every_text_arrives(tmp_path_factory: pytest.TempPathFactory, configs: list[VLLMConfig]) -> None:
    folder = tmp_path_factory.mktemp("files")
    configs = [*map(planned, configs), planned(EVERYTHING)]
    commands = [run_bash(render_serve_command(config), "vllm")[1:] for config in configs]
    for number, config in enumerate(configs):
        file = folder / f"{number}.yaml"
        file.write_text(render_config_file(config), encoding="utf-8")
        commands.append(["serve", "--config", str(file)])
    for config, read in zip(configs * 2, parse(*commands)["parsed"], strict=True):
        assert not differences(config, read), config


def test_vllm_has_every_flag_of_the_table_and_the_table_every_choice_that_vllm_takes() -> None:
    real = parse()["flags"]
    table = flags_of(version())
    assert not [flag.name for flag in table.values() if flag.name not in real]
    assert not [flag.off for flag in table.values() if flag.off and flag.off not in real]
    no_flag = "None"  # a choice that is made by leaving the flag out
    refused = {
        flag.name: {*real[flag.name]} - {no_flag, *map(str, flag.choices)} for flag in table.values() if flag.choices
    }
    assert not {name: choices for name, choices in refused.items() if choices}


def test_every_number_and_switch_of_the_table_is_accepted() -> None:
    samples = {"int": 1, "float": 0.5, "bool": True, "switch": True}
    flags = [flag for flag in flags_of(version()).values() if flag.kind in samples and not flag.choices]
    commands = [["serve", "m", *flag_arguments(flag.dest, samples[flag.kind], version())] for flag in flags]
    read = parse(*commands)["parsed"]
    assert not [flag.name for flag, options in zip(flags, read, strict=True) if flag.dest not in options]
