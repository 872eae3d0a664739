"""Random keys find what breaks, and say with which keys."""

from __future__ import annotations

import random
import re
import sys
from pathlib import Path

import pytest

from tools import random_keys
from tools.terminal import Terminal


def test_a_short_run_finds_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert random_keys.main(["--keys", "60"]) == 0
    assert re.search(r"^[67]\d keys, no fault; [\d.]+ MiB at the end", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    "code", ["sys.exit(70)", "print('Traceback (most recent call last):'); sys.stdin.read()"], ids=["exit", "traceback"]
)
def test_a_fault_is_told_with_seed_and_keys(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    program = f"import sys, tty; tty.setraw(0); print('Fits', end='', flush=True); sys.stdin.read(1); {code}"
    monkeypatch.setattr(random_keys, "opened", lambda home: Terminal([sys.executable, "-uc", program]))
    assert random_keys.main(["--keys", "2000", "--seed", "3"]) == 1
    said = capsys.readouterr().out
    assert "seed 3; the last keys:\n[b" in said
    assert ("exit code 70" in said) or ("traceback on screen" in said)


def test_a_crash_file_is_a_fault(tmp_path: Path) -> None:
    crashes = tmp_path / ".local" / "state" / "vllm-wizard-tui" / "crashes"
    crashes.mkdir(parents=True)
    with Terminal([sys.executable, "-c", "input()"]) as terminal:
        run = random_keys.Run(terminal, tmp_path, random.Random(1))  # noqa: S311
        assert run.fault() is None
        (crashes / "1.txt").write_text("step: model")
        assert run.fault() == "step: model"
