"""What holds for all artifacts together."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext

import pytest
from hypothesis import given

from tests.render.samples import a_config, named, on_two_nodes
from wizard_tui.errors import Refusal
from wizard_tui.render import render_artifacts
from wizard_tui.render.artifact import Artifact
from wizard_tui.render.container import mounts
from wizard_tui.render.registry import ARTIFACTS
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

# unlike what any artifact could say of itself
MINE = "registry.example:5000/team/own-vllm:v0.33.0-mine"
OF_THE_HUB = a_config(deployment={"image": MINE, "api_key_env": "MY_KEY"})
OF_THIS_MACHINE = a_config(
    model="/srv/weights",
    served_model_name="served",
    tokenizer="/srv/words",
    chat_template="/srv/chat.jinja",
    speculative_config={"model": "/srv/draft", "num_speculative_tokens": 2},
    deployment={"model_is_local": True},
)
IN_CONTAINERS = [
    pytest.param(artifact, spread, id=f"{artifact.name}-{label}")
    for label, spread in {"one": lambda config: config, "several": on_two_nodes}.items()
    for artifact in ARTIFACTS.values()
    if artifact.run is not None and artifact.run.in_container and artifact.fits(spread(OF_THE_HUB))
]
Spread = Callable[[VLLMConfig], VLLMConfig]


def stated(artifact: Artifact, config: VLLMConfig) -> str:
    """The text of its file and of those it needs, without comments."""
    files = [one.file_text(config) for one in (artifact, *(ARTIFACTS[name] for name in artifact.needs))]
    lines = [line for file in files for line in file.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines)


def times(path: str, text: str) -> int:
    """How often a path stands in a text as a whole."""
    return len(re.findall(rf"(?<![\w./-]){re.escape(path)}(?![\w./-])", text))


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
    # SC2016: `$(...)` in single quotes is a name that must stay as it is
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


@pytest.mark.parametrize(("artifact", "spread"), IN_CONTAINERS)
def test_a_container_is_of_the_planned_image_and_never_of_the_latest(artifact: Artifact, spread: Spread) -> None:
    text = stated(artifact, spread(OF_THE_HUB))
    repository, _, tag = MINE.rpartition(":")
    # a chart takes it in two parts
    assert MINE in text or (repository in text and tag in text), f"the planned image, {MINE}"
    assert "latest" not in text


@pytest.mark.parametrize(("artifact", "spread"), IN_CONTAINERS)
def test_a_container_gets_token_and_key_by_name(
    artifact: Artifact, spread: Spread, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "MY_KEY", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "s3cret-value")
    text = stated(artifact, spread(OF_THE_HUB))
    assert "HF_TOKEN" in text
    assert re.search(r"\b(VLLM_API_KEY|MY_KEY)\b", text)
    assert "s3cret-value" not in text
    offline = stated(artifact, spread(OF_THIS_MACHINE))
    assert not re.search(r"\b(HF_TOKEN|VLLM_API_KEY|MY_KEY)\b", offline), "what is not needed is not asked for"


@pytest.mark.parametrize(("artifact", "spread"), IN_CONTAINERS)
def test_a_container_gets_what_is_local_and_vllm_its_path_inside(artifact: Artifact, spread: Spread) -> None:
    config = spread(OF_THIS_MACHINE)
    text = stated(artifact, config)
    for mount in mounts(config):
        assert times(mount.source, text), f"{mount.source} is mounted"
        # one of each pair is the mount; the arguments of vLLM come on top
        assert times(mount.target, text) > times(mount.source, text), f"vLLM is told {mount.target}"
    assert len(mounts(config)) == 4


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=list(ARTIFACTS))
def test_an_artifact_describes_itself_truly(artifact: Artifact) -> None:
    config = CONFIGS["several"] if artifact.nodes == "several" else CONFIGS["plain"]
    in_container = artifact.run is not None and artifact.run.in_container
    assert in_container == ("vllm-openai" in stated(artifact, config))
    in_cluster = artifact.run is not None and artifact.run.place == "cluster"
    assert in_cluster == (artifact.run is not None and bool(re.match("kubectl|helm", artifact.run.start)))


@pytest.mark.parametrize("artifact", ARTIFACTS.values(), ids=list(ARTIFACTS))
def test_an_unknown_flag_of_the_version_is_refused_wherever_flags_are_written(artifact: Artifact) -> None:
    config = a_config(kv_cache_memory_bytes=1 << 30, deployment={"vllm_version": "0.9.0"})
    refused = pytest.raises(Refusal, match="has no --kv-cache-memory-bytes")
    with refused if artifact.writes_flags else nullcontext():
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
