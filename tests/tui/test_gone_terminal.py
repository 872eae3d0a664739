"""The terminal is gone, whoever says so: the wizard saves and ends, and no process of it stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.on_a_line import WIZARD, Line, processes, state, until

SHELL = ["sh", "-c", 'trap "" HUP; "$@"; exit $?', "sh"]
# a driver that never answers, and a wizard that asks it
HANGING = """
import threading
from wizard_tui.tui import app, sources
app.Sources = lambda: sources.Sources(detect=lambda: threading.Event().wait())
app.run()
"""
# a wizard that writes more than an unread terminal takes
FULL = """
import pathlib, sys
from wizard_tui.tui import app
from wizard_tui.tui.screens import wizard

def write(self):
    pathlib.Path(sys.argv[1]).touch()
    for _ in range(1000):
        self.app._driver.write("x" * 4096)

wizard.WizardScreen.action_plots = write
app.run()
"""
Open = Callable[..., Line]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Open]:
    lines: list[Line] = []

    def opened(command: list[str], **more: bool) -> Line:
        lines.append(Line(command, tmp_path, **more))
        return lines[-1]

    yield opened
    for one in lines:
        one.close()


def type_a_length(line: Line) -> None:
    """Type into a field, until it is on screen."""
    line.until(lambda text: "Enter goes on" in text)
    line.type(b"\r")
    line.until(lambda text: "max model len" in text)
    line.type(b"\t")
    line.type(b"4321")
    line.until(lambda text: "4321" in text)


def lengths(home: Path) -> list[str]:
    """What was typed, in each session on disk."""
    rows = [json.loads(path.read_text())["fields"] for path in (state(home) / "sessions").glob("*.json")]
    return [row.get("model.max_model_len", [""])[0] for row in rows]


def makefile(folder: Path) -> list[str]:
    (folder / "Makefile").write_text(f"run:\n\t@cd {Path.cwd()} && {' '.join(WIZARD)}\n")
    return ["make", "-C", str(folder), "run"]


@pytest.mark.parametrize("who", ["alone", "not told", "shell", "make"])
def test_a_wizard_without_a_terminal_saves_and_ends(tmp_path: Path, line: Open, who: str) -> None:
    """By a signal or without one, alone or below a program that stays: nothing runs on."""
    if who == "make" and shutil.which("make") is None:
        pytest.skip("make is not installed")
    command = {"shell": [*SHELL, *WIZARD], "make": makefile(tmp_path)}.get(who, WIZARD)
    opened = line(command, controlling=who != "not told")
    type_a_length(opened)
    opened.cut()
    until(lambda: processes(tmp_path) == [])
    assert lengths(tmp_path) == ["4321"]
    if who in ("alone", "not told"):
        assert opened.ended() == 128 + signal.SIGHUP
    assert not (state(tmp_path) / "crashes").exists(), "that is no fault of ours"


def test_a_wizard_whose_shell_was_killed_ends_with_the_terminal(tmp_path: Path, line: Open) -> None:
    opened = line([*SHELL, *WIZARD])
    type_a_length(opened)
    opened.process.kill()
    opened.process.wait()
    opened.cut()
    until(lambda: processes(tmp_path) == [])
    assert lengths(tmp_path) == ["4321"]


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_the_terminal_takes_no_more_output(
    tmp_path: Path, line: Open, number: signal.Signals
) -> None:
    """Flow control, or a line that hangs: the wizard cannot write, and waits for that."""
    opened = line([sys.executable, "-c", FULL, str(tmp_path / "writes")])
    type_a_length(opened)
    opened.type(b"\x07")
    until((tmp_path / "writes").exists)
    os.kill(opened.process.pid, number)
    assert opened.process.wait(30) == 128 + number
    assert lengths(tmp_path) == ["4321"]


def test_a_terminal_that_takes_no_more_output_and_then_goes_ends_it(tmp_path: Path, line: Open) -> None:
    opened = line([sys.executable, "-c", FULL, str(tmp_path / "writes")], controlling=False)
    type_a_length(opened)
    opened.type(b"\x07")
    until((tmp_path / "writes").exists)
    opened.cut()
    until(lambda: processes(tmp_path) == [])
    assert lengths(tmp_path) == ["4321"]


def test_a_driver_that_never_answers_does_not_keep_the_wizard_running(tmp_path: Path, line: Open) -> None:
    """Neither when the line is cut, nor when the wizard is left."""
    opened = line([sys.executable, "-c", HANGING])
    type_a_length(opened)
    opened.cut()
    until(lambda: processes(tmp_path) == [])
    assert lengths(tmp_path) == ["4321"]

    again = line([sys.executable, "-c", HANGING])
    again.until(lambda text: "at step Model" in text)
    again.type(b"\x1b[21~")
    assert again.ended() == 0
