"""The line drops, the process is killed: what was typed is there again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import string
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tools.bench import environment
from tools.terminal import Terminal

ENTER, NEXT = b"\r", b"\x0e"
WIZARD = [sys.executable, "-m", "wizard_tui"]


def wizard(home: Path) -> Terminal:
    terminal = Terminal(WIZARD, environment=environment(str(home)))
    terminal.wait_for(lambda text: "From four forms" in text)
    terminal.settle()
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


def at_model(terminal: Terminal) -> None:
    terminal.press(ENTER)
    terminal.wait_for(lambda text: "max model len" in text)


def type_a_length(terminal: Terminal) -> None:
    at_model(terminal)
    terminal.press(b"\t4321")
    terminal.wait_for(lambda text: "4321" in text)


def type_the_last_of(typed: str, terminal: Terminal) -> None:
    terminal.send(typed[-1:].encode())
    terminal.wait_for(lambda text: typed[-5:] in text)


def test_the_session_of_a_killed_wizard_is_continued(tmp_path: Path) -> None:
    with wizard(tmp_path) as terminal:
        type_a_length(terminal)
        wait_for(lambda: saved(tmp_path).get("model.max_model_len") == "4321")
        terminal.kill(signal.SIGKILL)
    with wizard(tmp_path) as terminal:
        terminal.wait_for(lambda text: "at step Model" in text)
        terminal.press(ENTER)
        terminal.wait_for(lambda text: "4321" in text)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_line_that_drops_saves_what_was_typed_last(tmp_path: Path, number: signal.Signals) -> None:
    with wizard(tmp_path) as terminal:
        type_a_length(terminal)
        terminal.press(b"0")
        os.kill(terminal.pid, number)
        wait_for(lambda: saved(tmp_path).get("model.max_model_len") == "43210")


def test_a_kill_while_keys_keep_coming_loses_no_more_than_the_last_of_them(tmp_path: Path) -> None:
    """Further keys do not delay saving: the disk follows the typing while it goes on."""
    with wizard(tmp_path) as terminal:
        at_model(terminal)
        terminal.press(b"\t\t\t\t\t")  # the revision, which may be any text
        typed = ""
        while not saved(tmp_path).get("model.revision"):
            assert len(typed) < 400, "nothing was saved while keys came"
            typed += string.ascii_lowercase[len(typed) % 26]
            type_the_last_of(typed, terminal)
        assert typed.startswith(saved(tmp_path)["model.revision"])
        terminal.kill(signal.SIGKILL)
    kept = saved(tmp_path)["model.revision"]
    with wizard(tmp_path) as terminal:
        at_model(terminal)
        terminal.wait_for(lambda text: kept[:20] in text)


def test_two_wizards_keep_two_sessions(tmp_path: Path) -> None:
    with wizard(tmp_path) as first, wizard(tmp_path) as second:
        type_a_length(first)
        at_model(second)
        second.press(b"\t8765")
        wanted = {first.pid: "4321", second.pid: "8765"}
        wait_for(lambda: {pid: texts.get("model.max_model_len") for pid, texts in sessions(tmp_path).items()} == wanted)
        assert "8765" not in first.text
        assert "4321" not in second.text
        # a third one, while both run, has nothing to offer
        with wizard(tmp_path) as third:
            assert "Left on" not in third.text
        first.kill(signal.SIGKILL)
        # and one after the first was killed offers that one's, and leaves the other alone
        with wizard(tmp_path) as third:
            third.wait_for(lambda text: "at step Model" in text)
            third.press(ENTER)
            third.wait_for(lambda text: "4321" in text)
        assert sessions(tmp_path)[second.pid]["model.max_model_len"] == "8765"
        second.press(b"0")
        wait_for(lambda: sessions(tmp_path)[second.pid]["model.max_model_len"] == "87650")


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
        wait_for(lambda: "From four forms" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "Enter")
        wait_for(lambda: "max model len" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "C-u")
        tmux("send-keys", "-t", "wizard", "-l", "Qwen/Qwen3-32B")
        tmux("send-keys", "-t", "wizard", "Enter")
        wait_for(lambda: "tensor parallel" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "C-u")
        tmux("send-keys", "-t", "wizard", "-l", "H100 80GB")
        tmux("send-keys", "-t", "wizard", "C-n")
        wait_for(lambda: "answer tokens" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "C-n")
        wait_for(lambda: "max num seqs" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "C-n")
        wait_for(lambda: "vllm serve Qwen/Qwen3-32B" in screen(), seen=screen)
        tmux("send-keys", "-t", "wizard", "F10")
        wait_for(
            lambda: "Pane is dead" in screen() or "vllm serve Qwen/Qwen3-32B" in screen().splitlines()[0], seen=screen
        )
    finally:
        tmux("kill-server")
