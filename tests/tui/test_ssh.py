"""A whole session over a real OpenSSH server on loopback: the line drops in the middle, and nothing is lost."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.bench import ROOT
from tools.terminal import Terminal

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
ENTER, TAB, NEXT, WIPE, F10 = b"\r", b"\t", b"\x0e", b"\x15", b"\x1b[21~"

pytestmark = pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="OpenSSH's server is not installed")


@pytest.fixture
def ssh(tmp_path: Path, port: int) -> Iterator[list[str]]:
    """The command that logs in, with keys that are thrown away."""
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "authorized_keys").write_text((folder / "client.pub").read_text())
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n"
        f"PasswordAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    assert SSHD is not None
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=subprocess.DEVNULL)
    command = ["ssh", "-tt", "-p", str(port), "-i", str(folder / "client"), "-o", "StrictHostKeyChecking=no"]
    command += ["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", f"{getpass.getuser()}@127.0.0.1"]
    try:
        until(lambda: subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0)
        yield command
    finally:
        server.kill()
        server.wait()


def until(reached: Callable[[], bool], limit_s: float = 20) -> None:
    end = time.monotonic() + limit_s
    while not reached():
        assert time.monotonic() < end, "the state was not reached"
        time.sleep(0.05)


def wizard(ssh: list[str], home: Path) -> Terminal:
    remote = f"cd {ROOT} && HOME={home} HF_HUB_OFFLINE=1 exec {sys.executable} -m wizard_tui"
    terminal = Terminal([*ssh, remote], environment={**os.environ, "TERM": "xterm-256color"})
    terminal.wait_for(lambda text: "goes on" in text or "continues there" in text)
    terminal.wait_for(lambda text: "vllm serve" in text)
    terminal.settle()
    return terminal


def test_forms_are_filled_the_line_drops_and_the_rest_is_done_afterwards(ssh: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with wizard(ssh, home) as terminal:
        terminal.press(ENTER)
        terminal.wait_for(lambda text: "max model len" in text)
        terminal.press(WIPE + b"Qwen/Qwen3-32B" + TAB + b"16K")
        terminal.press(NEXT)
        terminal.wait_for(lambda text: "tensor parallel" in text)
        terminal.press(WIPE + b"H100 80GB")
        terminal.wait_for(lambda text: "--max-model-len 16384" in text and "OK  Fits" in text)
        terminal.kill(9)  # the client is gone, and with it the line
    with wizard(ssh, home) as terminal:
        assert "at step Hardware" in terminal.text
        assert "Qwen/Qwen3-32B" in terminal.text
        terminal.press(ENTER)
        terminal.wait_for(lambda text: "[3 Hardware]" in text and "H100 80GB" in text)
        for step in ("[4 Workload]", "[5 Policy]", "[6 Review]"):
            terminal.press(NEXT)
            terminal.wait_for(lambda text, step=step: step in text)  # type: ignore[misc]
        terminal.press(F10)
        # what stays in the scrollback begins at the margin, unlike the same words in a panel
        terminal.wait_for(lambda text: any(line.startswith("  --host 127.0.0.1") for line in text.splitlines()))


def test_over_ssh_the_start_and_the_keys_stay_small(ssh: list[str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with wizard(ssh, home) as terminal:
        assert terminal.bytes_written <= 45_000
        terminal.press(ENTER, 0.5)
        terminal.press(TAB)
        digits = [terminal.press(bytes([digit])) for digit in b"123"]
        assert sorted(answer.bytes_written for answer in digits)[1] <= 1000
        terminal.settle(1.0)
        before = terminal.bytes_written
        terminal.settle(1.5)
        assert terminal.bytes_written == before
