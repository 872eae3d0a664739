"""Whose port it is, by real sockets of this process and of others."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wizard_tui.launch import listeners
from wizard_tui.launch.listeners import belongs_to, listens_at

# listens at an address, says so, and ends with its input
LISTENS = """
import socket, sys
host, port, shared = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
    if shared: server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((host, port))
    server.listen()
    print(server.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(host: str, port: int = 0, shared: str = "") -> Iterator[tuple[int, int]]:
    """Another process that listens; its pid and its port."""
    words = [sys.executable, "-c", LISTENS, host, str(port), shared]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.pid, int(child.stdout.readline())
        assert child.stdin is not None
        child.stdin.close()


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_process_that_listens_owns_its_port(bound: str, asked: str) -> None:
    with another(bound) as (pid, port):
        assert belongs_to(asked, port, [pid]) is True
        assert belongs_to(asked, port, [os.getpid(), pid]) is True
        assert belongs_to(asked, port, [os.getpid()]) is False
        assert belongs_to(asked, port, []) is False


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="there is no IPv6")
def test_an_ipv6_address_is_a_different_address() -> None:
    with another("::1") as (pid, port):
        assert belongs_to("::1", port, [pid]) is True
        assert belongs_to("[::1]", port, [pid]) is True
        assert belongs_to("::1", port, [os.getpid()]) is False
        assert belongs_to("127.0.0.1", port, [pid]) is False


def test_a_port_where_nobody_listens_is_nobodys(port: int) -> None:
    assert belongs_to("127.0.0.1", port, [os.getpid()]) is False
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", port))
        assert belongs_to("127.0.0.1", port, [os.getpid()]) is False, "it is held, and nobody answers"
        bound.listen()
        assert belongs_to("127.0.0.1", port, [os.getpid()]) is True


def test_a_port_that_is_shared_with_a_stranger_is_not_owned(port: int) -> None:
    """As vLLM does, both allow others of the same user on their port; either may get the next request."""
    with another("127.0.0.1", port, "shared") as (one, _), another("127.0.0.1", port, "shared") as (other, _):
        assert belongs_to("127.0.0.1", port, [one, other]) is True
        assert belongs_to("127.0.0.1", port, [one]) is False
        assert belongs_to("127.0.0.1", port, [other]) is False


def test_the_nearest_address_is_the_one_that_answers(port: int) -> None:
    with another("0.0.0.0", port, "shared") as (wide, _), another("127.0.0.1", port, "shared") as (near, _):
        assert belongs_to("127.0.0.1", port, [near]) is True
        assert belongs_to("127.0.0.1", port, [wide]) is False
        assert belongs_to("127.0.0.2", port, [wide]) is True


def test_a_stranger_at_another_address_does_not_matter(port: int) -> None:
    with another("127.0.0.2", port), another("127.0.0.1", port) as (pid, _):
        assert belongs_to("127.0.0.1", port, [pid]) is True


def test_a_name_counts_by_all_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def several(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 0)) for address in host.split("+")]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    with another("127.0.0.1") as (pid, port):
        assert belongs_to("127.0.0.1+127.0.0.1", port, [pid]) is True
        assert belongs_to("127.0.0.1+192.0.2.1", port, [pid]) is None, "another machine may answer as well"
        assert belongs_to("192.0.2.1", port, [pid]) is False
        assert belongs_to("nonsense", port, [pid]) is None


def test_where_the_system_does_not_tell_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with another("127.0.0.1") as (pid, port):
        monkeypatch.setattr(listeners, "PROC", Unreadable(tmp_path))
        assert belongs_to("127.0.0.1", port, [pid]) is None
        monkeypatch.undo()
        monkeypatch.setattr(listeners, "NET", tmp_path)
        assert belongs_to("127.0.0.1", port, [pid]) is None
        (tmp_path / "tcp").write_text("heading\nnonsense\n")
        assert belongs_to("127.0.0.1", port, [pid]) is None


class Unreadable:
    """A process table in which nobody may see the files of a process, whoever runs the tests."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __truediv__(self, name: str) -> Unreadable:
        return self

    def iterdir(self) -> Iterator[Path]:
        raise PermissionError


@pytest.mark.parametrize(
    ("bound", "asked", "answers"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("", "127.0.0.1", True),
        ("::", "127.0.0.1", True),
        ("::", "::1", True),
        ("0.0.0.0", "::1", False),
        ("192.168.1.5", "127.0.0.1", False),
        ("nonsense", "127.0.0.1", False),
    ],
)
def test_at_which_addresses_a_published_port_answers(bound: str, asked: str, answers: bool) -> None:
    assert listens_at(bound, asked) is answers
