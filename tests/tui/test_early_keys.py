"""Keys typed before the wizard is there, on a real terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tools.bench import environment
from tools.terminal import Terminal

WIZARD = [sys.executable, "-m", "wizard_tui"]
ENTER, WIPE, TAB, F10 = b"\r", b"\x15", b"\t", b"\x1b[21~"


def test_keys_typed_before_the_first_screen_act_on_it(tmp_path: Path) -> None:
    with Terminal(WIZARD, environment=environment(str(tmp_path))) as terminal:
        # the interpreter itself has to start first, and until then the terminal edits lines
        wait_for(lambda: not terminal.edits_lines)
        terminal.send(ENTER + ENTER + WIPE + b"H200" + TAB + WIPE + b"4" + ENTER)
        terminal.wait_for(lambda text: "[4 Workload]" in text and "4 x NVIDIA H200" in text)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_keys_that_tmux_sends_at_once(tmp_path: Path) -> None:
    def tmux(*arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null", *arguments],
            capture_output=True, text=True, check=False, env=environment(str(tmp_path)),
        ).stdout  # fmt: skip

    def screen() -> str:
        return tmux("capture-pane", "-p", "-t", "wizard")

    tmux("new-session", "-d", "-s", "wizard", "-x", "120", "-y", "36", *WIZARD)
    try:
        wait_for(lambda: "From four forms" in screen(), seconds=60, seen=screen)
        tmux("send-keys", "-t", "wizard", "Enter", "Enter", "C-u", "H200", "Tab", "C-u", "4", "Enter")
        wait_for(lambda: "[4 Workload]" in screen() and "4 x NVIDIA H200" in screen(), seconds=60, seen=screen)
    finally:
        tmux("kill-server")


def test_the_terminal_is_left_as_it_was(tmp_path: Path) -> None:
    shell = [
        "sh",
        "-c",
        f'before=$(stty -g); "{sys.executable}" -m wizard_tui; [ "$before" = "$(stty -g)" ] && echo same',
    ]
    with Terminal(shell, environment=environment(str(tmp_path)) | {"PATH": os.environ["PATH"]}) as terminal:
        terminal.wait_for(lambda text: "From four forms" in text)
        terminal.send(F10)
        terminal.wait_for(lambda text: "same" in text)
