"""The unit as systemd splits, unescapes and expands it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given

from tests.render.readers import options, unit_settings, unit_words
from tests.render.samples import a_config, named
from wizard_tui.render.systemd import render_systemd_unit
from wizard_tui.schemas.outputs import VLLMConfig


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    (command,) = unit_settings(render_systemd_unit(config))["Service.ExecStart"]
    env, program, verb, *arguments = unit_words(command)
    assert (env, program, verb) == ("/usr/bin/env", "vllm", "serve")
    for field in ("model", "served_model_name", "revision", "chat_template"):
        assert options(arguments)[field] == getattr(config, field), field


@given(named)
def test_a_name_adds_no_line_and_no_setting(config: VLLMConfig) -> None:
    plain = unit_settings(render_systemd_unit(a_config(revision="r", served_model_name="s", chat_template="t")))
    assert unit_settings(render_systemd_unit(config)).keys() == plain.keys()


def test_the_service_is_confined_and_has_caches_of_its_own() -> None:
    settings = unit_settings(render_systemd_unit(a_config()))
    for key, value in {
        "DynamicUser": "yes",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "",
        "CacheDirectory": "%N",
        "Restart": "on-failure",
        "LimitMEMLOCK": "infinity",
    }.items():
        assert settings[f"Service.{key}"] == [value]
    assert "Service.PrivateDevices" not in settings, "the GPUs are devices"
    assert "Service.MemoryDenyWriteExecute" not in settings, "kernels are compiled"


def test_secrets_are_in_a_file_of_root_and_a_missing_key_stops_the_start() -> None:
    settings = unit_settings(render_systemd_unit(a_config(deployment={"api_key_env": "MY_KEY"})))
    assert settings["Service.EnvironmentFile"] == ["/etc/vllm/vllm-qwen3-8b.env"]
    (check,) = settings["Service.ExecStartPre"]
    assert unit_words(check) == ["/bin/sh", "-c", 'test -n "$VLLM_API_KEY"']
    optional = unit_settings(render_systemd_unit(a_config()))
    assert optional["Service.EnvironmentFile"] == ["-/etc/vllm/vllm-qwen3-8b.env"]


def test_a_local_model_in_somebody_s_home_can_be_read_and_the_hub_is_not_asked() -> None:
    config = a_config(model="/home/me/m", deployment={"model_is_local": True})
    settings = unit_settings(render_systemd_unit(config))
    assert settings["Service.ProtectHome"] == ["read-only"]
    assert "HF_HUB_OFFLINE=1" in settings["Service.Environment"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize(
    "config",
    [
        a_config(served_model_name="a $(b) ${c} %n\n'\"\\", deployment={"api_key_env": "KEY"}),
        a_config(model="/m", deployment={"model_is_local": True, "gpu_vendor": "amd", "gpu_indices": (0, 1)}),
    ],
    ids=["hub", "local"],
)
def test_systemd_itself_finds_nothing_to_say(tmp_path: Path, config: VLLMConfig) -> None:
    unit = tmp_path / "vllm.service"
    unit.write_text(render_systemd_unit(config), encoding="utf-8")
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    ours = [line for line in ran.stderr.splitlines() if "vllm" in line]
    assert ran.returncode == 0, ran.stderr
    assert not ours


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_rates_its_exposure_as_ok(tmp_path: Path) -> None:
    """Of 10 at most 4, which systemd calls OK; what remains are devices, the network and system calls."""
    unit = tmp_path / "vllm.service"
    unit.write_text(render_systemd_unit(a_config()), encoding="utf-8")
    line = ["systemd-analyze", "security", "--offline=true", "--threshold=40", "--no-pager", str(unit)]
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    if "unrecognized option" in ran.stderr:
        pytest.skip("this systemd-analyze is older than 250")
    assert ran.returncode == 0, ran.stdout + ran.stderr
