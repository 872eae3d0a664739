"""From the wizard and from the command line to a real server and back, on a CPU.

The model keeps 512 bytes of KV cache a token, so 64 MiB hold 131,072 tokens, which the plan has to say to the token.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.tui.conftest import settled, text_of, until
from wizard_tui.launch import process, ways
from wizard_tui.launch.records import Records
from wizard_tui.launch.watch import ENDED
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.session import Session

pytestmark = pytest.mark.real_vllm
START_S = 240.0
VERSION = "0.32.0"
TOKENS = (64 << 20) // 512


def fields(model: Path, port: int) -> dict[str, str]:
    return {
        "model.model": str(model),
        "model.max_model_len": "1024",
        "hardware.gpu": "RTX 4090",
        "workload.concurrency": "2",
        "workload.prompt_tokens": "64",
        "workload.gen_tokens": "16",
        "policy.kv_cache_memory_bytes": "64M",
        "policy.max_num_seqs": "4",
        "policy.enforce_eager": "yes",
        "policy.vllm_version": VERSION,
        "policy.port": str(port),
    }


def options(model: Path, port: int, **other: str) -> list[str]:
    words = []
    for path, text in {**fields(model, port), **other}.items():
        option = "--" + path.partition(".")[2].replace("_", "-")
        words += [option] if text == "yes" else [option, text]
    return words


def nothing_left(model: Path) -> bool:
    """No process of the server is there any more, zombies aside."""
    listed = subprocess.run(["ps", "-eo", "stat,args"], capture_output=True, text=True, check=True).stdout
    return not any(
        ("VLLM::" in line or str(model) in line) and not line.startswith("Z") and "ps -eo" not in line
        for line in listed.splitlines()
    )


async def test_the_wizard_starts_verifies_asks_and_stops(model: Path, port: int) -> None:
    session = Session()
    session.set(fields(model, port))
    app = WizardApp(session)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press(*["ctrl+n"] * 6)
        screen = app.screen
        assert isinstance(screen, WizardScreen)
        await until(pilot, lambda: screen.launcher is not None and screen.launcher.checked)
        launcher = screen.launcher
        assert launcher is not None
        assert {check.state for check in launcher.checks} == {"ok"}
        await pilot.press("s")
        await until(pilot, lambda: launcher.is_ready and launcher.answer is not None, START_S)
        tokens = next(row for row in launcher.rows if row.name == "GPU KV cache size")
        assert tokens.actual == tokens.predicted == TOKENS
        concurrency = next(row for row in launcher.rows if row.name == "Maximum concurrency")
        assert concurrency.actual == concurrency.predicted == TOKENS / 1024
        assert launcher.answer is not None
        assert launcher.answer.tokens > 0
        await pilot.press("l")
        await until(pilot, lambda: launcher.result is not None, 60)
        assert launcher.result is not None
        assert launcher.result.requests == 8
        await pilot.press("x")
        await until(pilot, lambda: launcher.watch is not None and launcher.watch.state == ENDED, 60)
        await settled(pilot)
        assert "has stopped" in text_of(pilot, "#launch-head")
    wait_for(lambda: nothing_left(model))


def test_the_command_starts_verifies_asks_and_stops(model: Path, port: int, tmp_path: Path) -> None:
    said = tmp_path / "said"
    words = [sys.executable, "-m", "wizard_tui", "launch", *options(model, port), "--load"]
    with said.open("w") as output:
        child = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=os.environ)
        wait_for(lambda: "ctrl+c stops it" in said.read_text() or child.poll() is not None, START_S)
        text = said.read_text()
        assert re.search(rf"GPU KV cache size +{TOKENS:,}  {TOKENS:,} to {TOKENS:,} +{TOKENS:,} tokens +\+0\.0 %", text)
        assert re.search(r"Output of all users .* tok/s", text)
        assert re.search(r"Output of one user .* tok/s", text)
        child.send_signal(signal.SIGINT)
        assert child.wait(60) == 130
    wait_for(lambda: nothing_left(model))
    assert Records().all() == []


def failed(model: Path, port: int, **other: str) -> str:
    words = [sys.executable, "-m", "wizard_tui", "launch", *options(model, port, **other), "--force"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=START_S, check=False)
    assert ran.returncode == 1, ran.stderr
    return ran.stderr


def test_a_port_in_use_is_diagnosed(model: Path, port: int) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        told = failed(model, port)
    assert f"another program listens on port {port} already" in told
    assert re.search(r"to cure it: --port \d+", told)


def test_a_length_beyond_the_cache_is_diagnosed(model: Path, port: int) -> None:
    told = failed(model, port, **{"policy.kv_cache_memory_bytes": "1000000", "model.max_model_len": "4096"})
    assert "it ended: the KV cache holds one request of" in told
    length = re.search(r"to cure it: --max-model-len (\d+)", told)
    assert length is not None
    # a million bytes are 1953 tokens, in whole blocks
    assert 1000 < int(length[1]) < 1953


def test_a_killed_engine_is_diagnosed(model: Path, port: int, tmp_path: Path) -> None:
    said = tmp_path / "said"
    words = [sys.executable, "-m", "wizard_tui", "launch", *options(model, port)]
    with said.open("w") as output:
        child = subprocess.Popen(words, stdout=output, stderr=subprocess.STDOUT, env=os.environ)
        wait_for(lambda: "ctrl+c stops it" in said.read_text() or child.poll() is not None, START_S)
        (record,) = Records().all()
        engine = re.search(r"EngineCore pid=(\d+)", record.log_path.read_text())
        assert engine is not None
        os.kill(int(engine[1]), signal.SIGKILL)
        assert child.wait(90) == 1
    assert "a process of the server died" in said.read_text()
    assert not process.is_running(record.handle)
    assert not ways.is_running(record)
