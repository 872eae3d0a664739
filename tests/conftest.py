"""The command line in this process, models on disk, a program that stands in for vLLM, free ports.

Random tests draw the same in every run, without a clock: how long bash takes to start says nothing about what it reads.
With EXAMPLES, as in `make fuzz`, those that know it draw as many as it says, and others each time.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.planning.conftest import CONFIGS
from tools.driven import driven_exactly
from tools.terminal import LIMIT_S
from wizard_tui import cli

settings.register_profile(
    "gate",
    derandomize="EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gate")
# what the tests import is looked through at every collection, which took a fifth of the time of a screen's tests
gc.set_threshold(50_000, 20, 100)

PROGRAMS = Path(__file__).parent / "launch" / "programs"


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(autouse=True, scope="session")
def pilots_wait_for_the_event_loop() -> Iterator[None]:
    with driven_exactly():
        yield


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run_line(*arguments: object) -> Ran:
        code = cli.run([str(part) for part in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_line


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A directory that holds one model directory for each config of the planner's tests."""
    for name, config in CONFIGS.items():
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config))
    return tmp_path / "models"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts the stand-in on the PATH and tells it how to behave."""

    def tell(**told: Any) -> None:
        monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("VLLM_STANDIN", json.dumps(told))

    return tell


@pytest.fixture
def not_for_ever() -> Iterator[None]:
    """What reads or waits without end fails the test instead of stopping it."""

    def late(number: int, frame: FrameType | None) -> None:
        raise AssertionError("it does not come to an end")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def wait_for(reached: Callable[[], object], seconds: float = LIMIT_S, seen: Callable[[], object] = str) -> None:
    """Wait for a state; fails when it does not come, with what was `seen` at last."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, f"it did not come to that\n{seen()}"
        time.sleep(0.02)
