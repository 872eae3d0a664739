"""Programs that stand in for docker and systemd."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROGRAMS

# says what it was called with, or refuses in the words of RECORDER_SAYS; docker stays in the foreground as `docker run`
# and `docker compose up` do, until a signal takes it and its container away
RECORDER = """#!/bin/sh
{ printf '%s\\n' "$0" "$@" '--end--'; } >> "$CALLS"
[ -n "$RECORDER_SAYS" ] && { echo "$RECORDER_SAYS" >&2; exit 125; }
case "$*" in
  "context inspect "*) echo "${RECORDER_ENDPOINT:-unix:///run/docker.sock}" ;;
  *inspect*Ports*) echo "$RECORDER_PORTS" ;;
  *inspect*" vllm-llama-8b") echo true ;;  # somebody else's, which runs
  *inspect*) [ -e "$CALLS.up" ] && echo true ;;
  *"ps --quiet"*) [ -e "$CALLS.up" ] && echo 0123 ;;
  "stop "* | "rm --force"* | *" down "*) rm -f "$CALLS.up" ;;
  "run "* | *" up "*)
    touch "$CALLS.up"
    [ "$2" = --cidfile ] && printf '%064d\\n' 123 > "$3"
    echo "Pulling image: 43 %"
    trap 'echo INT; rm -f "$CALLS.up"; exit 130' INT
    while [ -e "$CALLS.up" ]; do sleep 0.05; done ;;
  *is-active*) echo active ;;
  *ControlGroup*) echo "$RECORDER_GROUP" ;;
esac
exit 0
"""
CONTAINER = f"{123:064}"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """docker, systemd-run and systemctl that write down their arguments; gives the calls so far."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "systemd-run", "systemctl"):
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.delenv("RECORDER_SAYS", raising=False)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}")

    def so_far() -> list[list[str]]:
        text = calls.read_text() if calls.exists() else ""
        return [[Path(words[0]).name, *words[1:]] for part in text.split("--end--\n") if (words := part.splitlines())]

    return so_far
