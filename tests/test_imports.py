"""What a command loads: starting fast is a feature, and the core works without a screen."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.planning.conftest import LLAMA_8B

_LIST = """
import sys, json, io, contextlib
from wizard_tui import cli
with contextlib.redirect_stdout(io.StringIO()):
    code = cli.run(json.loads(sys.argv[1]))
print(json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


def modules_after(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST, json.dumps(arguments)], capture_output=True, text=True, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["code"] == 0, done.stderr
    return set(answer["modules"])


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    return str(tmp_path)


def test_plan_loads_neither_textual_nor_the_hub_client_nor_a_driver(model: str) -> None:
    loaded = modules_after("plan", "-m", model, "--gpu", "H100", "--json")
    assert not loaded & {"textual", "huggingface_hub", "pynvml", "amdsmi", "rich.console", "httpx"}


def test_the_package_alone_loads_nothing() -> None:
    code = "import sys; before = set(sys.modules); import wizard_tui; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded - sys.stdlib_module_names == {"wizard_tui"}


def test_every_public_name_is_there() -> None:
    import wizard_tui

    for name in wizard_tui.__all__:
        assert getattr(wizard_tui, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'run_pln'"):
        _ = wizard_tui.run_pln


def test_json_is_valid_whatever_the_width_of_the_terminal(model: str) -> None:
    command = [sys.executable, "-m", "wizard_tui", "plan", "-m", model, "--gpu", "H100", "--json", "--explain"]
    outputs = []
    for columns in ("20", "80", "500"):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=_environment(columns))
        json.loads(done.stdout)
        outputs.append(done.stdout)
    assert len(set(outputs)) == 1


def _environment(columns: str) -> dict[str, str]:
    import os

    return dict(os.environ) | {"COLUMNS": columns, "LINES": "10"}
