"""The line drops, the process is killed: what was typed is there again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.bench import environment
from tools.terminal import Terminal

ENTER, NEXT = b"\r", b"\x0e"
WIZARD = [sys.executable, "-m", "wizard_tui"]


def wizard(home: Path) -> Terminal:
    terminal = Terminal(WIZARD, environment=environment(str(home)))
    terminal.wait_for(lambda text: "From four forms" in text)
    terminal.settle(0.5)
    return terminal


def sessions(home: Path) -> dict[int, dict[str, str]]:
    """The texts of the fields in each session on disk, by the process that saved it."""
    found = {}
    for path in (home / ".local" / "state" / "vllm-wizard-tui" / "sessions").glob("*.json"):
        fields = json.loads(path.read_text())["fields"]
        found[int(path.stem.partition("-")[0])] = {name: row[0] for name, row in fields.items()}
    return found


def saved(home: Path) -> dict[str, str]:
    """The texts of the only session on disk; nothing before there is one."""
    found = sessions(home)
    assert len(found) <= 1
    return next(iter(found.values()), {})


def until(reached: Callable[[], bool], seen: Callable[[], str] = str, limit_s: float = 10) -> None:
    end = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < end, f"the state was not reached; seen at last:\n{seen()}"
        time.sleep(0.02)


def type_a_length(terminal: Terminal) -> None:
    terminal.press(ENTER, 0.5)
    terminal.press(b"\t")
    terminal.press(b"4321")


def test_a_killed_wizard_is_gone_on_with(tmp_path: Path) -> None:
    with wizard(tmp_path) as terminal:
        type_a_length(terminal)
        until(lambda: saved(tmp_path).get("model.max_model_len") == "4321")
        terminal.kill(signal.SIGKILL)
    with wizard(tmp_path) as terminal:
        assert "at step Model" in terminal.text
        terminal.press(ENTER, 0.5)
        assert "4321" in terminal.text


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_line_that_drops_saves_what_was_typed_last(tmp_path: Path, number: signal.Signals) -> None:
    with wizard(tmp_path) as terminal:
        type_a_length(terminal)
        terminal.press(b"0", 0.01)
        os.kill(terminal.pid, number)
        until(lambda: saved(tmp_path).get("model.max_model_len") == "43210")


def test_a_kill_while_keys_keep_coming_loses_no_more_than_the_last_of_them(tmp_path: Path) -> None:
    """Saving is not put off by further keys: what is on disk follows what is typed, while it is typed."""
    with wizard(tmp_path) as terminal:
        terminal.press(ENTER, 0.5)
        terminal.press(b"\t\t\t\t\t")  # the revision, which may be any text
        typed = ""
        while not saved(tmp_path).get("model.revision"):
            assert len(typed) < 200, "nothing was saved while keys came"
            terminal.press(b"x", 0.02)
            typed += "x"
        assert typed.startswith(saved(tmp_path)["model.revision"])
        terminal.kill(signal.SIGKILL)
    kept = saved(tmp_path)["model.revision"]
    with wizard(tmp_path) as terminal:
        terminal.press(ENTER, 0.5)
        assert kept[:20] in terminal.text


def test_two_wizards_keep_two_sessions(tmp_path: Path) -> None:
    with wizard(tmp_path) as first, wizard(tmp_path) as second:
        type_a_length(first)
        second.press(ENTER, 0.5)
        second.press(b"\t8765")
        wanted = {first.pid: "4321", second.pid: "8765"}
        until(lambda: {pid: texts.get("model.max_model_len") for pid, texts in sessions(tmp_path).items()} == wanted)
        assert "8765" not in first.text
        assert "4321" not in second.text
        # a third one, while both run, has nothing to offer
        with wizard(tmp_path) as third:
            assert "Left on" not in third.text
        first.kill(signal.SIGKILL)
        # and one after the first was killed offers that one's, and leaves the other alone
        with wizard(tmp_path) as third:
            assert "at step Model" in third.text
            third.press(ENTER, 0.5)
            assert "4321" in third.text
        assert sessions(tmp_path)[second.pid]["model.max_model_len"] == "8765"
        second.press(b"0", 0.5)
        until(lambda: sessions(tmp_path)[second.pid]["model.max_model_len"] == "87650")


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_whole_session_in_tmux(tmp_path: Path) -> None:
    def tmux(*arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *arguments],
            capture_output=True, text=True, check=False, env=environment(str(tmp_path)),
        )  # fmt: skip
        return done.stdout

    def screen() -> str:
        return tmux("capture-pane", "-p", "-t", "wizard")

    tmux("new-session", "-d", "-s", "wizard", "-x", "120", "-y", "36", *WIZARD)
    tmux("set-option", "-g", "remain-on-exit", "on")
    try:
        until(lambda: "From four forms" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "Enter")
        until(lambda: "max model len" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "C-u")
        tmux("send-keys", "-t", "wizard", "-l", "Qwen/Qwen3-32B")
        tmux("send-keys", "-t", "wizard", "Enter")
        until(lambda: "tensor parallel" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "C-u")
        tmux("send-keys", "-t", "wizard", "-l", "H100 80GB")
        tmux("send-keys", "-t", "wizard", "C-n")
        until(lambda: "answer tokens" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "C-n")
        until(lambda: "max num seqs" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "C-n")
        until(lambda: "vllm serve Qwen/Qwen3-32B" in screen(), screen)
        tmux("send-keys", "-t", "wizard", "F10")
        until(lambda: "Pane is dead" in screen() or "vllm serve Qwen/Qwen3-32B" in screen().splitlines()[0], screen)
    finally:
        tmux("kill-server")
