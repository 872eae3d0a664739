"""The wheel and the editable install, each in an environment of its own, from a directory that is not ours."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# runs in the new environment: the app opens, and its style sheets hold rules
_LOAD = """
import asyncio
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.facts import Sources

async def main():
    app = WizardApp(sources=Sources(detect=Detection))
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("enter")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert 0 < app.screen.query_one("#steps").size.width < 60, "as wide as the sheets say, and not as the screen"
    print("loaded from", __import__("wizard_tui").__file__)

asyncio.run(main())
"""


def call(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source archive and the wheel that is made from it."""
    target = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--outdir", target, ROOT, cwd=target)
    return target


def test_the_wheel_holds_styles_and_data_and_no_tests(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
    sheets = {path.name for path in (ROOT / "styles").glob("*.tcss")}
    assert {f"wizard_tui/styles/{name}" for name in sheets} <= set(names)
    data = [path for path in (ROOT / "wizard_tui").rglob("*") if path.suffix in (".json", ".jsonl", ".toml")]
    assert {path.relative_to(ROOT).as_posix() for path in data} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "screenshots/", "styles/"))]


def test_the_source_archive_holds_what_the_wheel_is_made_from(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "styles/base.tcss"} <= names


@pytest.mark.parametrize("way", ["wheel", "editable"])
def test_installed_alone_the_command_runs_and_the_wizard_opens(built: Path, tmp_path: Path, way: str) -> None:
    (wheel,) = built.glob("*.whl")
    call(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    python = tmp_path / "venv" / "bin" / "python"
    what = [wheel] if way == "wheel" else ["--editable", ROOT]
    call(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what, cwd=tmp_path)
    out = call(
        tmp_path / "venv" / "bin" / "vllm-wizard-tui", "plan", "-m", "Qwen/Qwen3-32B", "--gpu", "H100", cwd=tmp_path
    )
    assert "vllm serve Qwen/Qwen3-32B" in out
    where = call(python, "-c", _LOAD, cwd=tmp_path)
    assert ("site-packages" in where) == (way == "wheel")
