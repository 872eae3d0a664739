"""Is this tree fit to be released? Builds it, installs it on every Python that is at hand, and runs it from elsewhere.

    python -m tools.release_check            everything
    python -m tools.release_check --draft    before the changelog is closed and all is committed

Prints a line for each thing that is looked at, and ends with 1 when one of them is wrong. Nothing is uploaded.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from wizard_tui import __version__

ROOT = Path(__file__).parents[1]
PROGRAM = "vllm-wizard-tui"
MINORS = range(10, 15)
DATA = (".json", ".jsonl", ".toml", ".txt")
FOR_DEVELOPERS = ("tests/", "tools/", "docs/", "screenshots/", "styles/")

# runs in the new environment: the wizard opens, and its style sheets hold rules
OPENS = """
import asyncio
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.sources import Sources

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


def call(*command: str | Path, cwd: Path, **more: str) -> str:
    """The output of a command. Raises ValueError with all its output when it fails."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, env=kept | more
    )
    if done.returncode != 0:
        raise ValueError(f"{Path(command[0]).name} {' '.join(map(str, command[1:]))}: {done.stdout}{done.stderr}")
    return done.stdout


def tree_problems(root: Path) -> Iterator[str]:
    """What is not committed."""
    for line in call("git", "status", "--porcelain", cwd=root).splitlines():
        yield f"not committed: {line[3:]}"


def version_problems(version: str, changelog: str) -> Iterator[str]:
    """What the changelog lacks for a release of this version."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"{version} is no version of a release"
    if not re.search(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        yield f"CHANGELOG.md has no section [{version}] with a date"
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if unreleased and unreleased[1].strip():
        yield "CHANGELOG.md still has changes under [Unreleased]"


def wheel_problems(names: Iterable[str]) -> Iterator[str]:
    """What a wheel lacks, and what it should not contain."""
    there = set(names)
    sheets = {f"wizard_tui/styles/{path.name}" for path in (ROOT / "styles").glob("*.tcss")}
    data = {path.relative_to(ROOT).as_posix() for path in (ROOT / "wizard_tui").rglob("*") if path.suffix in DATA}
    for name in sorted((sheets | data | {"wizard_tui/py.typed"}) - there):
        yield f"the wheel lacks {name}"
    if not any(name.endswith("licenses/LICENSE") for name in there):
        yield "the wheel lacks the licence"
    for name in sorted(there):
        if name.startswith(FOR_DEVELOPERS):
            yield f"the wheel has {name}"


def archive_problems(names: Iterable[str]) -> Iterator[str]:
    """What a source archive lacks to be built and tested."""
    there = {name.partition("/")[2] for name in names}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", "styles/base.tcss"}
    for name in sorted((wanted | {"tests/conftest.py", "tools/bench.py", "wizard_tui/py.typed"}) - there):
        yield f"the source archive lacks {name}"


def pythons() -> dict[str, Path]:
    """An interpreter for each available minor version: on the PATH, or kept by pyenv."""
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), reverse=True)
    found = {}
    for minor in MINORS:
        name = f"3.{minor}"
        on_path = shutil.which(f"python{name}")
        for python in (Path(sys.executable), *([Path(on_path)] if on_path else []), *kept):
            if name not in found and _is(python, name):
                found[name] = python
    return found


def _is(python: Path, version: str) -> bool:
    # pyenv has shims on the PATH even for versions that are not installed
    done = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and done.stdout.startswith(f"Python {version}.")


def build(folder: Path) -> tuple[Path, Path]:
    """Source archive, and the wheel that is made from it."""
    call(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (archive,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


def environment(python: Path, folder: Path) -> Path:
    """The directory of programs of a new environment."""
    call(python, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin"


def install(programs: Path, *what: str | Path) -> None:
    """Install into an environment with pip's arguments. Files that are never loaded need not be compiled."""
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    call(*pip, *what, cwd=programs.parent.parent)


def running_problems(programs: Path) -> Iterator[str]:
    """What goes wrong with an installed program, from a directory that is not ours and with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        quiet = {"HOME": home, "HF_HUB_OFFLINE": "1"}
        elsewhere = Path("/")
        try:
            if (said := call(programs / PROGRAM, "--version", cwd=elsewhere, **quiet)) != f"{PROGRAM} {__version__}\n":
                yield f"--version says {said.strip()}"
            planned = call(programs / PROGRAM, "plan", "-m", "Qwen/Qwen3-32B", "--gpu", "H100", cwd=elsewhere, **quiet)
            if "vllm serve Qwen/Qwen3-32B" not in planned:
                yield "plan gives no command"
            if (programs / "python").exists():
                call(programs / "python", "-c", OPENS, cwd=elsewhere, **quiet)
        except ValueError as problem:
            yield str(problem)


def installer_problems(wheel: Path, folder: Path) -> Iterator[str]:
    """What goes wrong with pipx and uv, each with a home of its own, and with the text on the package's page."""
    venv.create(folder / "installers", with_pip=True)
    programs = folder / "installers" / "bin"
    try:
        call(programs / "python", "-m", "pip", "install", "--quiet", "pipx", "uv", "twine", cwd=folder)
        call(programs / "python", "-m", "twine", "check", "--strict", *wheel.parent.glob("*"), cwd=folder)
        homes = {
            name: str(folder / name.lower()) for name in ("PIPX_HOME", "PIPX_BIN_DIR", "UV_TOOL_DIR", "UV_TOOL_BIN_DIR")
        }
        call(programs / "pipx", "install", wheel, cwd=folder, **homes)
        yield from running_problems(folder / "pipx_bin_dir")
        call(programs / "uv", "tool", "install", wheel, cwd=folder, **homes)
        yield from running_problems(folder / "uv_tool_bin_dir")
    except ValueError as problem:
        yield str(problem)


def checks(folder: Path, *, draft: bool) -> Iterator[tuple[str, list[str]]]:
    """What was looked at, and what is wrong with it."""
    if not draft:
        yield "everything is committed", list(tree_problems(ROOT))
        changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
        yield f"the changelog tells of {__version__}", list(version_problems(__version__, changelog))
    dist = folder / "dist"
    dist.mkdir()
    archive, wheel = build(dist)
    with tarfile.open(archive) as file:
        yield archive.name, list(archive_problems(file.getnames()))
    with zipfile.ZipFile(wheel) as file:
        yield wheel.name, list(wheel_problems(file.namelist()))
    yield "pipx, uv tool, and the page of the package", list(installer_problems(wheel, folder))
    for name, python in pythons().items():
        try:
            programs = environment(python, folder / name)
            install(programs, wheel)
            problems = list(running_problems(programs))
        except ValueError as problem:
            problems = [str(problem)]
        yield f"Python {name}", problems
    missing = [f"3.{minor}" for minor in MINORS if f"3.{minor}" not in pythons()]
    if missing:
        yield f"not at hand, and so not tried: Python {', '.join(missing)}", []


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draft", action="store_true", help="leave out what is only right on the day")
    draft = parser.parse_args().draft
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, problems in checks(Path(folder), draft=draft):
            print(f"{'BAD' if problems else 'ok ':4}{name}", flush=True)
            for problem in problems:
                print(f"      {problem}")
            wrong += bool(problems)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
