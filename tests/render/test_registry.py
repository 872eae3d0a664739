"""What holds for all artifacts together."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from hypothesis import given

from tests.render.samples import IMAGE, a_config, named, on_two_nodes
from wizard_tui.render import render_artifacts
from wizard_tui.render.registry import ARTIFACTS, Artifact
from wizard_tui.schemas.outputs import VLLMConfig

CONFIGS = {
    "plain": a_config(),
    "key": a_config(served_model_name="it's $(mine)\n#", port=8001, deployment={"api_key_env": "MY_KEY"}),
    "local": a_config(model="/my models/a'b", chat_template="/t.jinja", deployment={"model_is_local": True}),
    "amd": a_config(deployment={"gpu_vendor": "amd", "gpu_indices": (0, 1), "gpu_count": 2}),
    "gaudi": a_config(deployment={"gpu_vendor": "gaudi", "gpu_indices": (0, 1), "gpu_count": 2}),
    "several": on_two_nodes(a_config(deployment={"api_key_env": "MY_KEY"})),
    "replicas": a_config(
        data_parallel_size=4,
        tensor_parallel_size=4,
        enable_expert_parallel=True,
        deployment={"nodes": 2, "gpu_count": 8},
    ),
}
CASES = [
    pytest.param(artifact, config, id=f"{artifact.name}-{label}")
    for label, config in CONFIGS.items()
    for artifact in ARTIFACTS.values()
    if artifact.fits(config)
]
SCRIPTS = [case for case in CASES if case.values[0].filename.endswith(".sh")]
IN_IMAGES = {"docker", "compose", "k8s", "kuberay", "quadlet"}


@pytest.mark.parametrize(("artifact", "config"), SCRIPTS)
def test_bash_can_read_every_script(artifact: Artifact, config: VLLMConfig) -> None:
    text = artifact.file_text(config)
    ran = subprocess.run(["bash", "-n"], input=text.encode(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize(("artifact", "config"), SCRIPTS)
def test_shellcheck_finds_nothing_to_say(artifact: Artifact, config: VLLMConfig) -> None:
    # SC2016: `$(...)` in single quotes is a name that is to stay as it is
    line = ["shellcheck", "--shell=bash", "--exclude=SC2016", "-"]
    ran = subprocess.run(line, input=artifact.file_text(config).encode(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout.decode()


@pytest.mark.parametrize(("artifact", "config"), CASES)
def test_no_secret_is_written_though_the_environment_holds_one(
    artifact: Artifact, config: VLLMConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "MY_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "s3cret-value")
    text = artifact.file_text(config)
    assert "s3cret-value" not in text
    assert "--api-key" not in text
    assert not re.search(r"HF_TOKEN[=:]\s*[^\s#]*hf_", text)


@pytest.mark.parametrize("name", sorted(ARTIFACTS))
def test_only_nvidia_cards_are_handed_over_as_such(name: str) -> None:
    for vendor in ("amd", "gaudi"):
        config = a_config(deployment={"gpu_vendor": vendor, "gpu_indices": (0, 1), "gpu_count": 2})
        if ARTIFACTS[name].fits(config):
            text = ARTIFACTS[name].render(config)
            assert not re.search(r"nvidia\.com|driver: nvidia|--gpus |CUDA_VISIBLE", text)


@pytest.mark.parametrize("name", sorted(IN_IMAGES))
def test_the_image_is_the_planned_version_s_and_never_latest(name: str) -> None:
    config = CONFIGS["several"] if ARTIFACTS[name].nodes == "several" else CONFIGS["plain"]
    text = ARTIFACTS[name].file_text(config)
    assert IMAGE in text
    assert "latest" not in text


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=list(ARTIFACTS))
def test_an_unknown_flag_of_the_version_is_refused_wherever_flags_are_written(artifact: Artifact) -> None:
    config = a_config(kv_cache_memory_bytes=1 << 30, deployment={"vllm_version": "0.9.0"})
    if artifact.name in {"kustomize", "env", "curl", "python"}:
        artifact.file_text(config)
    else:
        with pytest.raises(ValueError, match="has no --kv-cache-memory-bytes"):
            artifact.file_text(config)


@given(named)
def test_every_artifact_is_made_of_any_name_and_is_the_same_each_time(config: VLLMConfig) -> None:
    for several in (config, on_two_nodes(config)):
        for artifact in ARTIFACTS.values():
            if artifact.fits(several):
                text = artifact.file_text(several)
                assert text == artifact.file_text(several)
                assert text.endswith("\n")


def test_file_names_differ_and_needs_are_artifacts() -> None:
    assert len({artifact.filename for artifact in ARTIFACTS.values()}) == len(ARTIFACTS)
    assert {need for artifact in ARTIFACTS.values() for need in artifact.needs} <= set(ARTIFACTS)


def test_a_plan_s_artifacts_are_those_of_the_registry() -> None:
    config = CONFIGS["key"]
    made = render_artifacts(config)
    shown = (made.serve_command, made.docker_command, made.docker_compose, made.k8s_values)
    assert shown == tuple(ARTIFACTS[name].render(config) for name in ("serve", "docker", "compose", "k8s"))
