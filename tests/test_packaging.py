"""The wheel and the editable install, in an environment that has nothing else, from a directory that is not ours."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest

from tools.release_check import (
    OPENS,
    ROOT,
    archive_problems,
    build,
    call,
    environment,
    install,
    running_problems,
    wheel_problems,
)
from wizard_tui import __version__


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Source archive and the wheel that is made from it."""
    return build(tmp_path_factory.mktemp("dist"))


def test_the_wheel_holds_styles_data_types_and_licence_and_nothing_for_developers(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as file:
        assert list(wheel_problems(file.namelist())) == []


def test_the_source_archive_holds_what_the_wheel_is_made_from(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as file:
        assert list(archive_problems(file.getnames())) == []


def test_the_version_is_written_once(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[1]) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = HeaderParser().parsestr(file.read(name).decode())
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f'"{__version__}"' not in (ROOT / "pyproject.toml").read_text()


def test_installed_alone_the_command_runs_and_the_wizard_opens(built: tuple[Path, Path], tmp_path: Path) -> None:
    programs = environment(Path(sys.executable), tmp_path / "venv")
    install(programs, built[1])
    assert list(running_problems(programs)) == []
    assert "site-packages" in call(programs / "python", "-c", OPENS, cwd=tmp_path)
    # with what the wheel brought along, an editable install needs nothing more
    install(programs, "--no-deps", "--editable", ROOT)
    assert list(running_problems(programs)) == []
    assert "site-packages" not in call(programs / "python", "-c", OPENS, cwd=tmp_path)
