"""Programs that report on servers and end them, called with argument lists and never through a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

ASK_S = 20.0
STOP_S = 60.0


def ran(arguments: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str] | None:
    """A program run to its end; None where it cannot be started or takes too long."""
    try:
        return subprocess.run(
            arguments, env=os.environ, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def asked(arguments: Sequence[str], seconds: float = ASK_S) -> str:
    """What a program answers; empty when it fails or takes too long."""
    done = ran(arguments, seconds)
    return done.stdout.strip() if done is not None and done.returncode == 0 else ""
