"""A whole session over a real OpenSSH server on loopback: the line drops in the middle, and nothing is lost."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import wait_for
from tools.bench import ROOT
from tools.resting import with_descendants
from tools.terminal import Terminal

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
ENTER, TAB, NEXT, WIPE, F10 = b"\r", b"\t", b"\x0e", b"\x15", b"\x1b[21~"

pytestmark = pytest.mark.skipif(SSHD is None or shutil.which("ssh") is None, reason="OpenSSH's server is not installed")


class Login(NamedTuple):
    """The command that logs in, and the process that it asks."""

    command: list[str]
    server: int


@pytest.fixture
def ssh(tmp_path: Path, port: int) -> Iterator[Login]:
    """A server of its own, with keys that are thrown away."""
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
        wait_for(lambda: subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0)
        yield Login(command, server.pid)
    finally:
        server.kill()
        server.wait()


def wizard(ssh: Login, home: Path) -> Terminal:
    remote = f"cd {ROOT} && HOME={home} HF_HUB_OFFLINE=1 exec {sys.executable} -m wizard_tui"
    environment = {**os.environ, "TERM": "xterm-256color"}
    terminal = Terminal([*ssh.command, remote], environment=environment, through=[ssh.server])
    terminal.wait_for(lambda text: "goes on" in text or "continues there" in text)
    terminal.wait_for(lambda text: "vllm serve" in text)
    terminal.settle()
    return terminal


def test_forms_are_filled_the_line_drops_and_the_rest_is_done_afterwards(ssh: Login, tmp_path: Path) -> None:
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
    wait_for(lambda: with_descendants([ssh.server]) == [ssh.server])
    with wizard(ssh, home) as terminal:
        terminal.wait_for(lambda text: "at step Hardware" in text and "Qwen/Qwen3-32B" in text)
        terminal.press(ENTER)
        terminal.wait_for(lambda text: "[3 Hardware]" in text and "H100 80GB" in text)
        for step in ("[4 Workload]", "[5 Policy]", "[6 Review]"):
            terminal.press(NEXT)
            terminal.wait_for(lambda text, step=step: step in text)  # type: ignore[misc]
        terminal.press(F10)
        # what stays in the scrollback begins at the margin, unlike the same words in a panel
        terminal.wait_for(lambda text: any(line.startswith("  --host 127.0.0.1") for line in text.splitlines()))


def test_over_ssh_the_start_and_the_keys_stay_small(ssh: Login, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with wizard(ssh, home) as terminal:
        assert terminal.bytes_written <= 45_000
        terminal.press(ENTER)
        terminal.press(TAB)
        digits = [terminal.press(bytes([digit])) for digit in b"123"]
        assert sorted(answer.bytes_written for answer in digits)[1] <= 1000
        before = terminal.bytes_written
        terminal.settle(asleep_s=1.5)
        assert terminal.bytes_written == before
