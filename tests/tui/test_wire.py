"""What goes down the line, counted on a real pty: bytes are exact, so they can be held to a limit."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.bench import PROFILE, environment
from tools.terminal import Answer, Terminal

ENTER, TAB, NEXT, BACK, WIPE, ESCAPE = b"\r", b"\t", b"\x0e", b"\x0f", b"\x15", b"\x1b"
F1, F12, WHY, PLOTS = b"\x1bOP", b"\x1b[24~", b"\x10", b"\x07"


def wizard(home: Path, size: tuple[int, int] = (120, 36), **further: str) -> Terminal:
    profile = home / "profile.yaml"
    profile.write_text(PROFILE)
    command = [sys.executable, "-m", "wizard_tui", "--profile", str(profile)]
    terminal = Terminal(command, size=size, environment=environment(str(home)) | further)
    terminal.wait_for(lambda text: "Fits" in text)
    if size == (120, 36):
        terminal.wait_for(lambda text: "weights a GPU" in text)
    terminal.settle()
    return terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with wizard(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def test_the_start_takes_at_most_45_kilobytes(tmp_path: Path) -> None:
    with wizard(tmp_path) as opened:
        assert opened.bytes_written <= 45_000


def test_steps_pages_and_digits_stay_small_and_idleness_is_silent(terminal: Terminal) -> None:
    steps = [terminal.press(ENTER)]
    terminal.press(TAB)
    digits = [terminal.press(bytes([digit])) for digit in b"123456"]
    terminal.press(WIPE)
    steps += [terminal.press(NEXT) for _ in range(2)]
    digits += [terminal.press(bytes([digit])) for digit in b"123456"]
    steps += [terminal.press(NEXT) for _ in range(3)]
    assert "[7 Launch]" in terminal.text
    steps += [terminal.press(BACK) for _ in range(6)]
    assert "[1 Welcome]" in terminal.text
    pages = [terminal.press(key) for key in (F1, ESCAPE, F12, ESCAPE, WHY, ESCAPE, PLOTS, ESCAPE)]
    assert median(digits) <= 1000
    assert max(answer.bytes_written for answer in (*steps, *pages)) <= 15_000
    assert all(answer.first_change_ms is not None for answer in (*steps, *digits, *pages))
    before = terminal.bytes_written
    terminal.settle(asleep_s=1.5)
    assert terminal.bytes_written == before


def median(answers: list[Answer]) -> float:
    return statistics.median(answer.bytes_written for answer in answers)


@pytest.mark.parametrize("kind", ["xterm", "xterm-256color", "linux", "screen-256color", "tmux-256color", "vt100"])
def test_it_opens_in_the_terminals_that_people_have(tmp_path: Path, kind: str) -> None:
    with wizard(tmp_path, TERM=kind) as opened:
        assert "Fits" in opened.text
        opened.press(b"\x1b[21~")  # F10


def test_without_colour_nothing_is_lost(tmp_path: Path) -> None:
    with wizard(tmp_path, NO_COLOR="1") as opened:
        opened.wait_for(lambda text: "weights a GPU" in text)
        assert "OK  Fits" in opened.text
        opened.press(ENTER)
        row = next(row for row, line in enumerate(opened.text.splitlines()) if "› model" in line)
        assert opened.reversed_text(row) == " ", "the cursor behind the last letter"
        opened.press(b"\x1b[D")
        assert opened.reversed_text(row) == "B", "of Qwen/Qwen3-32B"


def test_keys_that_come_all_at_once_do_what_they_do_one_by_one(tmp_path: Path) -> None:
    with wizard(tmp_path) as opened:
        opened.press(ENTER)
        opened.press(b"\x15Qwen/Qwen3-0.6B\t4321")  # ctrl+u, a name, Tab, a number
        rows = {line[3:21].strip(): line[21:43].strip() for line in opened.text.splitlines()[1:12]}
        assert rows["model"] == "Qwen/Qwen3-0.6B"
        assert rows["max model len"] == "4321"
        opened.press(b"\x15\x15999\r")
        opened.wait_for(lambda text: "[3 Hardware]" in text and "--max-model-len 999" in text)
