"""The release check finds what would be wrong with a release."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.release_check import (
    ROOT,
    archive_problems,
    pythons,
    running_problems,
    tree_problems,
    version_problems,
    wheel_problems,
)

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-31\n\n### Added\n\n- All of it.\n"


@pytest.mark.parametrize(
    ("version", "changelog", "said"),
    [
        ("1.2.0", CHANGELOG, ""),
        ("1.2.0", CHANGELOG.replace("## [Unreleased]\n", ""), ""),
        ("1.3.0", CHANGELOG, "no section [1.3.0]"),
        ("1.2.0", CHANGELOG.replace(" - 2026-01-31", ""), "no section [1.2.0] with a date"),
        ("1.2.0", CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- One more.\n"), "under [Unreleased]"),
        ("1.2.0.dev1", CHANGELOG.replace("1.2.0", "1.2.0.dev1"), "no version of a release"),
    ],
)
def test_version_and_changelog_are_held_together(version: str, changelog: str, said: str) -> None:
    problems = " ".join(version_problems(version, changelog))
    assert said in problems
    assert bool(problems) == bool(said)


def test_a_wheel_without_its_parts_or_with_ours_is_found() -> None:
    problems = " ".join(wheel_problems(["wizard_tui/__init__.py", "tests/conftest.py"]))
    for part in ("wizard_tui/styles/base.tcss", "wizard_tui/hardware/gpus.json", "wizard_tui/py.typed", "the licence"):
        assert f"lacks {part}" in problems
    assert "has tests/conftest.py" in problems


def test_a_source_archive_without_its_parts_is_found() -> None:
    assert "lacks styles/base.tcss" in " ".join(archive_problems(["x-1.0/README.md"]))


def test_what_is_not_committed_is_named(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert list(tree_problems(tmp_path)) == []
    (tmp_path / "left.txt").write_text("")
    assert list(tree_problems(tmp_path)) == ["not committed: left.txt"]


def test_a_program_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    program = tmp_path / "vllm-wizard-tui"
    program.write_text("#!/bin/sh\necho vllm-wizard-tui 0.0.0\n")
    program.chmod(0o755)
    problems = list(running_problems(tmp_path))
    assert "--version says vllm-wizard-tui 0.0.0" in problems
    assert "plan gives no command" in problems


def test_every_python_is_what_it_is_called() -> None:
    found = pythons()
    assert found[f"3.{sys.version_info.minor}"] == Path(sys.executable)
    for name, python in found.items():
        said = subprocess.run([python, "--version"], capture_output=True, text=True, check=True).stdout
        assert said.startswith(f"Python {name}.")


def test_the_readme_installs_as_the_check_does() -> None:
    readme = (ROOT / "README.md").read_text()
    assert re.search(r"^pipx install \.", readme, re.MULTILINE)
    assert re.search(r"^uv tool install \.", readme, re.MULTILINE)
