"""Copying from a terminal: OSC 52 to the terminal itself, and through tmux where one runs."""

from __future__ import annotations

import os
import shutil
import subprocess

TMUX_TIMEOUT_S = 1.0


def copy_through_tmux(text: str) -> bool:
    """Hand text to tmux, which passes it on to the outer terminal; False when there is no tmux or it refuses."""
    tmux = shutil.which("tmux")
    if not os.environ.get("TMUX") or tmux is None:
        return False
    try:
        done = subprocess.run(
            [tmux, "load-buffer", "-w", "-"],
            input=text.encode(),
            timeout=TMUX_TIMEOUT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
