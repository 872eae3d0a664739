"""README.md of the directory."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given

from tests.render.samples import a_config, named, on_two_nodes
from wizard_tui.render.readme import render_readme
from wizard_tui.render.registry import ARTIFACTS
from wizard_tui.schemas.outputs import VLLMConfig

SEVERAL = on_two_nodes(a_config(deployment={"api_key_env": "KEY"}))


def everything(config: VLLMConfig) -> list[str]:
    return [artifact.name for artifact in ARTIFACTS.values() if artifact.fits(config)]


def commands(text: str) -> str:
    blocks = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return "\n".join(line[4:] for block in blocks for line in block.splitlines() if line.startswith("    "))


@given(named)
def test_a_name_adds_no_line_and_no_markup(config: VLLMConfig) -> None:
    text = render_readme(config, everything(config))
    plain = render_readme(a_config(served_model_name="s"), everything(config))
    assert text.isascii()
    assert len(text.splitlines()) == len(plain.splitlines())
    assert commands(text).count("\n") == commands(plain).count("\n")


@pytest.mark.parametrize("config", [a_config(deployment={"api_key_env": "KEY"}), SEVERAL], ids=["one", "several"])
def test_every_way_to_run_it_can_be_started_and_stopped(config: VLLMConfig) -> None:
    text = render_readme(config, everything(config))
    start, stop = (text.split(f"## {title}\n")[1].split("\n## ")[0] for title in ("Start", "Stop"))
    for artifact in ARTIFACTS.values():
        listed = f"- `{artifact.filename}`: " in text
        assert listed == artifact.fits(config)
        if listed and artifact.run is not None:
            assert re.search(rf"^{re.escape(artifact.title)}(, on every machine)?:$", start, re.MULTILINE)
            assert f"{artifact.title}:\n" in stop
    assert "## Test\n" in text
    assert "## Roll back\n" in text


@pytest.mark.parametrize("config", [a_config(deployment={"api_key_env": "KEY"}), SEVERAL], ids=["one", "several"])
def test_its_commands_are_bash(config: VLLMConfig) -> None:
    text = commands(render_readme(config, everything(config)))
    ran = subprocess.run(["bash", "-n"], input=text.encode(), capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert "{" not in re.sub(r"\$\{\w+:-\w+\}", "", text), "every place is filled in"


def test_secrets_are_asked_for_only_where_there_are_any() -> None:
    offline = a_config(model="/m", deployment={"model_is_local": True})
    assert ".env" not in commands(render_readme(offline, everything(offline)))
    alone = render_readme(a_config(deployment={"api_key_env": "KEY"}), ["serve"])
    assert "HF_TOKEN=... and KEY=..." in alone, "without the template it says what belongs into the file"


def test_the_template_for_tool_calls_is_named_where_the_artifacts_lack_it() -> None:
    own_image = {"chat_template": "t.jinja"}
    official = {**own_image, "chat_template_in_image": "/vllm-workspace/examples/t.jinja"}
    needs = "`--chat-template` with the file `examples/t.jinja` of vLLM's source"
    assert f"What runs without one needs {needs}" in render_readme(a_config(deployment=official), ["serve"])
    assert f"Tool calls need {needs}" in render_readme(a_config(deployment=own_image), ["serve"])
    assert "template" not in render_readme(a_config(), ["serve"])
