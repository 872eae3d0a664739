"""The 22 defects of the predecessor, vllm-wizard 0.2.0, each shown not to be here."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Run
from tests.planning.conftest import LLAMA_8B, LLAMA_70B, QWEN3_30B_A3B, VERSION, facts, request
from wizard_tui.engine.flags import flags_of
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.planning.planner import plan
from wizard_tui.resolver import Facts, resolve_gpus
from wizard_tui.schemas.inputs import HardwareInput, PlanRequest
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import PlanResponse


def words_of(response: PlanResponse) -> list[str]:
    return shlex.split(response.artifacts.serve_command.replace("\\\n", " "))


def test_01_a_shard_is_compared_with_one_gpu() -> None:
    response = plan(request("llama-70b"), facts("llama-70b", "RTX 4090", 4))
    assert not response.feasibility.fits
    assert response.memory.total < 25 * GIB
    assert response.memory.weights > 30 * GIB


@pytest.mark.parametrize("gpu", ["RTX 4090", "RTX 3090", "T4"])
def test_02_no_negative_context(gpu: str) -> None:
    response = plan(request("llama-70b"), facts("llama-70b", gpu))
    assert not response.feasibility.fits
    assert response.config.max_model_len is None or response.config.max_model_len > 0
    assert not [word for word in words_of(response) if word.startswith("-") and word[1:2].isdigit()]


@pytest.mark.parametrize(("model", "gpu", "count"), [("llama-8b", "T4", 2), ("llama-70b", "H100", 4)])
def test_03_the_verdict_is_about_the_command(model: str, gpu: str, count: int) -> None:
    """Planning what the command says gives the same plan again."""
    first = plan(request(model, workload={"concurrency": 8}), facts(model, gpu, count))
    config = first.config
    pinned: dict[str, dict[str, Any]] = {
        "model": {"max_model_len": config.max_model_len},
        "hardware": {"tensor_parallel_size": config.tensor_parallel_size or 1},
        "workload": {"concurrency": 8},
        "policy": {
            "gpu_memory_utilization": config.gpu_memory_utilization,
            "max_num_seqs": config.max_num_seqs,
            "max_num_batched_tokens": config.max_num_batched_tokens,
        },
    }
    again = plan(request(model, **pinned), facts(model, gpu, count))
    assert again.feasibility.fits == first.feasibility.fits
    assert again.memory == first.memory
    assert again.kv_cache == first.kv_cache


def test_04_no_quantisation_that_the_checkpoint_has_not() -> None:
    response = plan(request("llama-70b"), facts("llama-70b", "RTX 4090"))
    assert response.config.quantization is None
    asked = plan(request("llama-70b", model={"quantization": "awq"}), facts("llama-70b", "RTX 4090"))
    assert not asked.feasibility.fits
    assert "awq needs a checkpoint that is already quantised" in asked.feasibility.verdict


@pytest.mark.parametrize(("typed", "passed"), [("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32")])
def test_05_values_are_those_that_vllm_takes(typed: str, passed: str) -> None:
    response = plan(request(model={"dtype": typed, "kv_cache_dtype": "fp8_e4m3fn"}), facts())
    words = words_of(response)
    assert words[words.index("--dtype") + 1] == passed
    assert words[words.index("--kv-cache-dtype") + 1] == "fp8_e4m3"
    assert "--gpu-memory-utilization" not in words, "the default of this version stays unsaid"
    flags = {flag.name for flag in flags_of(VERSION).values()}
    assert {word for word in words if word.startswith("--")} <= flags
    assert "--swap-space" not in flags
    refused = plan(request(model={"quantization": "int8"}), facts())
    assert "vLLM has no quantization 'int8'" in refused.feasibility.verdict


def test_06_json_is_json_in_a_pipe_of_80_columns(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    command = [sys.executable, "-m", "wizard_tui", "plan", "-m", str(tmp_path), "--gpu", "H100", "--json"]
    environment = dict(os.environ) | {"COLUMNS": "80"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stdout)["feasibility"]["fits"]


def test_07_a_profile_alone_is_enough(run: Run, models: Path, tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"profile_version: 1\nmodel: {{model: {models / 'llama-8b'}}}\nhardware: {{gpu: H100}}\n")
    assert run("plan", "--profile", profile).code == 0


def test_08_a_directory_is_read_whatever_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "llama-3.1-8b-mine"
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps(LLAMA_8B | {"num_hidden_layers": 36, "max_position_embeddings": 40960})
    )
    metadata = load_model_metadata(str(folder))
    assert metadata.num_hidden_layers == 36
    assert metadata.max_position_embeddings == 40960


def test_09_names_are_compared_whole() -> None:
    llama = load_model_metadata("meta-llama/Meta-Llama-3.1-8B")
    assert llama.max_position_embeddings == 131072
    assert load_model_metadata("meta-llama/Meta-Llama-3.1-405B").num_key_value_heads == 8
    for name in ("deepseek-ai/DeepSeek-V3", "Qwen/Qwen3-32B", "Qwen/Qwen3-30B-A3B"):
        assert load_model_metadata(name).model_id == name
    large, small = load_model_metadata("deepseek-ai/DeepSeek-V3"), load_model_metadata("Qwen/Qwen3-0.6B")
    assert large.num_params > 600e9
    assert 0.5e9 < small.num_params < 0.8e9


def test_10_a_model_that_nobody_listed_is_planned_from_its_config_or_its_size(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B | {"model_type": "brand-new"}))
    assert run("plan", "-m", tmp_path, "--gpu", "H100").code == 0


def test_11_the_config_is_read_in_full() -> None:
    def read(config: dict[str, Any]) -> Any:
        return metadata_from_config(config, model_id="m", source="config")

    nested = read({"architectures": ["X"], "model_type": "x", "text_config": LLAMA_8B})
    assert nested.num_hidden_layers == 32
    assert read(LLAMA_8B | {"head_dim": 64}).head_dim == 64
    mixture = read(QWEN3_30B_A3B)
    assert (mixture.num_experts, mixture.num_experts_per_tok) == (128, 8)
    assert 29e9 < mixture.num_params < 32e9
    assert 2e9 < mixture.active_params < 4e9
    assert read(LLAMA_8B | {"quantization_config": {"quant_method": "awq", "bits": 4}}).quantization == "awq"
    assert read(LLAMA_8B | {"tie_word_embeddings": True}).num_params < read(LLAMA_8B).num_params
    assert read(LLAMA_8B | {"torch_dtype": "float16"}).dtype == "float16"
    latent = load_model_metadata("deepseek-ai/DeepSeek-V3")
    cache = plan(
        PlanRequest.model_validate({"model": {"model": "m", "max_model_len": 1024}}),
        Facts(latent, (get_gpu_by_name("H200"),)),
    ).kv_cache
    # 576 values a token and layer, not 128 heads: https://arxiv.org/abs/2412.19437
    assert cache.bytes_per_block == 61 * 576 * 2 * cache.block_size


@pytest.mark.parametrize(
    ("name", "total_gib"),
    [
        ("H20", 95), ("H100 NVL", 93), ("NVIDIA A100-SXM4-80GB", 79), ("NVIDIA A100-SXM4-40GB", 39),
        ("B200", 178), ("MI300X", 191), ("RTX 5090", 31), ("RTX 6000 Ada", 47),
    ],
)  # fmt: skip
def test_12_a_gpu_is_the_one_that_was_named(name: str, total_gib: int) -> None:
    assert gib(get_gpu_by_name(name).total_bytes) == pytest.approx(total_gib, abs=1.5)


@pytest.mark.parametrize("name", ["a", "", "RTX", "H", "90"])
def test_12_a_part_of_a_name_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="GPU"):
        get_gpu_by_name(name)


def test_12_given_memory_wins_over_the_catalogue() -> None:
    (gpu,) = resolve_gpus(HardwareInput(gpu="H100 80GB", vram_gb=94))
    assert gpu.total_bytes == 94 * GIB


@pytest.mark.parametrize("gpu", ["RTX A6000", "RTX 4090", "H100 80GB"])
def test_13_the_users_utilisation_is_kept(gpu: str) -> None:
    response = plan(request(policy={"gpu_memory_utilization": 0.95}), facts(gpu=gpu))
    assert response.config.gpu_memory_utilization == 0.95


def test_14_parallel_sizes_are_checked() -> None:
    eight = plan(request(hardware={"tensor_parallel_size": 8}), facts(gpus=6))
    assert not eight.feasibility.fits
    assert "TP 8 needs 8 GPUs and there are 6" in eight.feasibility.verdict
    three = plan(request(hardware={"tensor_parallel_size": 3}), facts(gpus=3))
    assert not three.feasibility.fits
    assert "attention heads" in three.feasibility.verdict
    idle = plan(request(), facts(gpus=4))
    assert any("idle" in warning for warning in idle.feasibility.warnings)
    assert any("data_parallel_size" in s.patch.get("hardware", {}) for s in idle.feasibility.suggestions)


def test_15_the_server_is_not_throttled_to_the_planned_concurrency() -> None:
    response = plan(request(workload={"concurrency": 1}), facts())
    assert response.config.max_num_seqs is None
    assert response.config.max_num_batched_tokens is None


def test_16_an_unknown_artifact_is_an_error_and_a_changed_file_is_kept(run: Run, models: Path, tmp_path: Path) -> None:
    asked = ("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "out")
    bogus = run(*asked, "--emit", "bogus")
    assert bogus.code == 2
    assert "bogus" in bogus.err
    assert run(*asked, "--emit", "serve").code == 0
    (script,) = (tmp_path / "out").glob("serve*.sh")
    script.write_text("mine\n")
    assert run(*asked, "--emit", "serve", "-c", "3").code == 2
    assert script.read_text() == "mine\n"
    assert run(*asked, "--emit", "serve", "--force").code == 0
    assert script.read_text() != "mine\n"


def test_17_names_are_quoted_and_scripts_can_be_run(run: Run, models: Path, tmp_path: Path) -> None:
    asked = ("generate", "-m", models / "llama-8b", "--gpu", "H100", "-o", tmp_path / "out", "--emit", "serve")
    assert run(*asked, "--served-model-name", "a model; rm x $(id)").code == 0
    (script,) = (tmp_path / "out").glob("serve*.sh")
    assert script.stat().st_mode & stat.S_IXUSR
    words = shlex.split(script.read_text().replace("\\\n", " "), comments=True)
    assert words[words.index("--served-model-name") + 1] == "a model; rm x $(id)"


def test_18_kubernetes_gets_manifests() -> None:
    documents = list(yaml.safe_load_all(plan(request(), facts()).artifacts.k8s_values))
    kinds = {document["kind"]: document for document in documents}
    assert {"Deployment", "Service"} <= set(kinds)
    pod = kinds["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    words = [*container.get("command", []), *container.get("args", [])]
    assert "--host" in words
    assert not [word for word in words if word.startswith("--") and " " in word]
    assert {"readinessProbe", "startupProbe"} <= set(container)
    assert any(volume.get("emptyDir", {}).get("medium") == "Memory" for volume in pod["volumes"])


def test_19_containers_are_pinned_guarded_and_checked() -> None:
    artifacts = plan(request(), facts()).artifacts
    compose = yaml.safe_load(artifacts.docker_compose)
    (service,) = compose["services"].values()
    assert "version" not in compose
    assert {"healthcheck", "restart"} <= set(service)
    for text in (artifacts.docker_command, artifacts.docker_compose, artifacts.k8s_values):
        assert f":v{VERSION}" in text
        assert ":latest" not in text
    assert "$HF_HOME:" not in artifacts.docker_command
    assert "HF_TOKEN" in artifacts.docker_command


def test_20_what_is_missing_is_shown() -> None:
    response = plan(request("llama-70b"), facts("llama-70b", "RTX 4090"))
    assert response.feasibility.headroom_gib < -100
    assert "fits" not in " ".join(response.config.explanations.values())


def test_21_speed_knows_batches_experts_links_and_new_gpus() -> None:
    one, two = (plan(request(hardware={"tensor_parallel_size": n}), facts(gpus=n)).performance for n in (1, 2))
    assert two.single_stream_toks_per_s_range[1] < 2 * one.single_stream_toks_per_s_range[1]
    many = plan(request(workload={"concurrency": 32}), facts()).performance
    assert many.decode_toks_per_s_range[0] > 3 * one.decode_toks_per_s_range[1]
    assert many.tpot_ms_range[0] > 0
    dense = metadata_from_config(LLAMA_70B, model_id="m", source="config")
    mixture = plan(request("qwen3-30b-a3b"), facts("qwen3-30b-a3b")).performance
    assert mixture.single_stream_toks_per_s_range[0] > one.single_stream_toks_per_s_range[0]
    old, new = (plan(request(), Facts(dense, (get_gpu_by_name(name),))).performance for name in ("H100 80GB", "MI300X"))
    assert new.single_stream_toks_per_s_range != old.single_stream_toks_per_s_range


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profile_version: 7\nmodel: {model: m}\n", "this program reads version 1"),
        ("profile_version: 1\nmodel: {model: m}\nhardwear: {}\n", "hardwear is not a known field"),
        ("profile_version: 1\nmodel: {model: m}\nworkload: {concurrency: 0}\n", "must be 1 or more, not 0"),
    ],
)
def test_22_profiles_are_checked_and_errors_are_plain(run: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    ran = run("plan", "-p", tmp_path / "p.yaml")
    assert ran.code == 2
    assert said in ran.err
    assert "validation error" not in ran.err
