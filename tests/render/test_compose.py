"""The Compose file after YAML and Compose's interpolation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft201909Validator

from tests.render.readers import compose_value, documents, options
from tests.render.samples import IMAGE, a_config, named, names, on_two_nodes
from wizard_tui.render import render_docker_compose
from wizard_tui.schemas.outputs import VLLMConfig

ENVIRONMENT = {"HOME": "/home/me", "MY_KEY": "secret", "MASTER_ADDR": "10.0.0.1", "NODE_RANK": "1"}


def services(config: VLLMConfig) -> dict[str, Any]:
    (document,) = documents(render_docker_compose(config))
    read: dict[str, Any] = interpolated(document)["services"]
    return read


def interpolated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: interpolated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item) for item in value]
    return compose_value(value, ENVIRONMENT) if isinstance(value, str) else value


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    read = options(services(config)["vllm"]["command"])
    for field in ("model", "served_model_name", "revision"):
        assert read[field] == getattr(config, field), field


@given(names)
def test_a_local_model_is_mounted_where_vllm_looks_for_it(name: str) -> None:
    path = f"/models/m{name.replace('/', '_')}"
    service = services(a_config(model=path, deployment={"model_is_local": True}))["vllm"]
    read = options(service["command"])
    assert {"type": "bind", "source": path, "target": read["model"], "read_only": True} in service["volumes"]
    assert service["environment"] == {"HF_HUB_OFFLINE": "1"}
    assert not any(volume["target"].endswith("huggingface") for volume in service["volumes"])


def test_the_service_is_private_restarts_and_says_when_it_is_ready() -> None:
    service = services(a_config(port=9000, deployment={"api_key_env": "MY_KEY"}))["vllm"]
    assert service["image"] == IMAGE
    assert service["entrypoint"] == ["vllm", "serve"]
    assert service["ports"] == ["127.0.0.1:9000:9000"]
    assert service["restart"] == "unless-stopped"
    assert service["ipc"] == "host"
    assert service["environment"] == {"HF_TOKEN": None, "VLLM_API_KEY": "secret"}
    assert service["healthcheck"]["test"][-1] == "http://127.0.0.1:9000/health"
    assert service["volumes"][0]["source"] == "/home/me/.cache/huggingface"


def test_the_key_is_asked_for_when_it_is_not_set() -> None:
    (document,) = documents(render_docker_compose(a_config(deployment={"api_key_env": "OTHER"})))
    with pytest.raises(AssertionError, match="OTHER is not set: set it to the API key"):
        interpolated(document)


@pytest.mark.parametrize(
    ("indices", "which"), [(None, {"count": 2}), ((0, 3), {"device_ids": ["0", "3"]})], ids=["count", "chosen"]
)
def test_nvidia_gpus_are_counted_or_chosen(indices: tuple[int, ...] | None, which: dict[str, Any]) -> None:
    service = services(a_config(deployment={"gpu_count": 2, "gpu_indices": indices}))["vllm"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", **which, "capabilities": ["gpu"]}


def test_amd_gpus_are_devices() -> None:
    service = services(a_config(deployment={"gpu_vendor": "amd", "gpu_indices": (1, 2)}))["vllm"]
    assert service["devices"] == ["/dev/kfd", "/dev/dri"]
    assert service["environment"]["HIP_VISIBLE_DEVICES"] == "1,2"
    assert "deploy" not in service


@given(named)
def test_head_and_worker_are_told_their_places(config: VLLMConfig) -> None:
    found = services(on_two_nodes(config))
    head, worker = (options(found[role]["command"]) for role in ("head", "worker"))
    assert (head["node_rank"], worker["node_rank"]) == ("0", "1")
    assert "headless" in worker
    assert "headless" not in head
    assert head["master_addr"] == worker["master_addr"] == "10.0.0.1"
    assert head["model"] == worker["model"] == config.model


def compose_program() -> list[str] | None:
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.mark.parametrize("several", [False, True])
def test_compose_itself_reads_the_file(tmp_path: Path, several: bool) -> None:
    program = compose_program()
    if program is None:
        pytest.skip("Docker Compose is not installed")
    config = a_config(served_model_name="a $(b) ${c} %n\n'\"", deployment={"api_key_env": "MY_KEY"})
    config = on_two_nodes(config) if several else config
    (tmp_path / "docker-compose.yaml").write_text(render_docker_compose(config), encoding="utf-8")
    ran = subprocess.run(
        [*program, "--profile", "*", "config", "--format", "json"],
        cwd=tmp_path,
        env=ENVIRONMENT | {"PATH": "/usr/bin:/usr/local/bin:/bin"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    for service in json.loads(ran.stdout)["services"].values():
        # `config` prints a file again, so what was one dollar is two
        assert config.served_model_name in [word.replace("$$", "$") for word in service["command"]]


@pytest.mark.skipif("COMPOSE_SCHEMA" not in os.environ, reason="COMPOSE_SCHEMA names no copy of Compose's own schema")
@given(named)
def test_the_file_is_what_the_schema_of_compose_allows(config: VLLMConfig) -> None:
    schema = json.loads(Path(os.environ["COMPOSE_SCHEMA"]).read_text(encoding="utf-8"))
    document = documents(render_docker_compose(config))[0]
    # newer than the schema at hand: https://github.com/compose-spec/compose-spec/blob/main/04-version-and-name.md
    assert isinstance(document.pop("name"), str)
    Draft201909Validator(schema).validate(document)
