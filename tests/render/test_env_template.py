"""The template of the file with the secrets."""

from __future__ import annotations

import re

import pytest

from tests.render.samples import a_config
from wizard_tui.render.env_template import render_env_template


@pytest.mark.parametrize(
    ("deployment", "variables"),
    [
        ({}, ["HF_TOKEN"]),
        ({"api_key_env": "MY_KEY"}, ["HF_TOKEN", "MY_KEY", "VLLM_API_KEY"]),
        ({"api_key_env": "VLLM_API_KEY"}, ["HF_TOKEN", "VLLM_API_KEY"]),
        ({"model_is_local": True}, []),
    ],
)
def test_each_variable_is_named_once_and_none_is_set(deployment: dict[str, object], variables: list[str]) -> None:
    text = render_env_template(a_config(model="/m", deployment=deployment))
    assert re.findall(r"^# (\w+)=$", text, re.MULTILINE) == variables
    assert all(line.startswith("#") for line in text.splitlines())
