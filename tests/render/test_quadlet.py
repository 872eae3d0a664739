"""The Quadlet as Podman's generator reads it."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.render.readers import options, unit_settings, unit_words
from tests.render.samples import IMAGE, a_config, named
from wizard_tui.render.quadlet import render_quadlet
from wizard_tui.schemas.outputs import VLLMConfig


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    (command,) = unit_settings(render_quadlet(config))["Container.Exec"]
    verb, *arguments = unit_words(command)
    assert verb == "serve"
    for field in ("model", "served_model_name", "revision"):
        assert options(arguments)[field] == getattr(config, field), field


def podman_arguments(config: VLLMConfig) -> list[list[str]]:
    return [unit_words(value) for value in unit_settings(render_quadlet(config))["Container.PodmanArgs"]]


def test_the_container_is_reached_from_this_machine_only() -> None:
    settings = unit_settings(render_quadlet(a_config(port=9000)))
    assert settings["Container.Image"] == [IMAGE]
    assert ["--publish", "127.0.0.1:9000:9000"] in podman_arguments(a_config(port=9000))
    assert settings["Service.Restart"] == ["on-failure"]
    assert settings["Container.ShmSize"] == ["16g"]


def test_secrets_are_passed_on_by_name() -> None:
    config = a_config(deployment={"api_key_env": "MY_KEY"})
    assert ["--env", "HF_TOKEN"] in podman_arguments(config)
    assert ["--env", "VLLM_API_KEY"] in podman_arguments(config)
    assert unit_settings(render_quadlet(config))["Service.EnvironmentFile"] == ["%E/vllm/vllm-qwen3-8b.env"]


def test_a_local_model_is_mounted_with_its_blanks_and_colons() -> None:
    config = a_config(model="/my models/a:b 100%", deployment={"model_is_local": True})
    assert ["--mount", "type=bind,source=/my models/a:b 100%,target=/model,readonly"] in podman_arguments(config)


@pytest.mark.parametrize(
    ("deployment", "devices"),
    [
        ({"gpu_count": 2}, ["nvidia.com/gpu=0", "nvidia.com/gpu=1"]),
        ({"gpu_count": 2, "gpu_indices": (1, 3)}, ["nvidia.com/gpu=1", "nvidia.com/gpu=3"]),
        ({"gpu_vendor": "amd"}, ["/dev/kfd", "/dev/dri"]),
    ],
)
def test_gpus_are_devices(deployment: dict[str, object], devices: list[str]) -> None:
    assert unit_settings(render_quadlet(a_config(deployment=deployment)))["Container.AddDevice"] == devices
