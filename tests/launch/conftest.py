"""Plans that can be started, records in a directory of their own, and processes that are nobody's server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.hardware.gpu import GPU
from wizard_tui.launch.failures import StartReader
from wizard_tui.launch.records import Records
from wizard_tui.launch.ways import Launch
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.outputs import PlanResponse


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    """Records in a directory of their own; what still runs at the end is ended."""
    from wizard_tui.launch import ways

    kept = Records(tmp_path / "servers")
    yield kept
    for record in kept.all():
        ways.stop(record)


def planned(port: int, gpus: tuple[GPU, ...] | None = None, **sections: Any) -> tuple[PlanResponse, Launch]:
    """A plan of a small server, on an H100 or on given GPUs, and what starts it."""
    policy = {"port": port, **sections.pop("policy", {})}
    asked = request(policy=policy, **sections)
    response = plan(asked, facts() if gpus is None else replace(facts(), gpus=gpus))
    return response, Launch(response.config, asked, os.environ)


def started(lines: Iterable[str]) -> StartReader:
    """What a server's lines tell."""
    reader = StartReader()
    for line in lines:
        reader.feed(line)
    return reader


# answers line by line until its input is closed; a signal ends it
ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@dataclass
class Stranger:
    """A process that is nobody's server."""

    child: subprocess.Popen[str]

    @property
    def answers(self) -> bool:
        """Whether it lives: a process that got a signal first does not answer."""
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        try:
            self.child.stdin.write("still here\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            return False
        return self.child.stdout.readline() == "still here\n"

    @property
    def started(self) -> int:
        text = Path(f"/proc/{self.child.pid}/stat").read_text()
        return int(text.rpartition(")")[2].split()[19])


@contextmanager
def stranger(*arguments: str, session: bool = True, errors: IO[str] | None = None) -> Iterator[Stranger]:
    """A process that answers, by default in a session of its own; `errors` is where its stderr goes."""
    child = subprocess.Popen(
        [sys.executable, "-c", *arguments], text=True, start_new_session=session,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
    )  # fmt: skip
    with child:
        one = Stranger(child)
        assert one.answers
        yield one
        assert child.stdin is not None
        child.stdin.close()


@contextmanager
def answering(port: int) -> Iterator[dict[str, str | None]]:
    """A server that agrees to everything; the paths that it was asked for, each with its authorization."""
    heard: dict[str, str | None] = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            heard[self.path] = self.headers.get("Authorization")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
