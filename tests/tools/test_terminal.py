"""A program is done with a key when it sleeps again, however long it said nothing before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tools import resting, terminal
from tools.terminal import Terminal

ON_EACH_KEY = """
import sys, time, tty
tty.setraw(0)
print("begun", end="\\r\\n", flush=True)
while key := sys.stdin.buffer.raw.read(1):
    if key == b"q":
        break
    print("taken", end=" ", flush=True)
    {work}
    print("done", end=" ", flush=True)
"""
LONG_WORK = "end = time.process_time() + 0.6\n    while time.process_time() < end: pass"
CHILD = 'import subprocess; subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"])'

only_linux = pytest.mark.skipif(not resting.KNOWN, reason="only Linux tells who sleeps")


def opened(work: str) -> Terminal:
    program = Terminal([sys.executable, "-c", ON_EACH_KEY.format(work=work)])
    program.wait_for(lambda text: "begun" in text)
    program.settle()
    return program


@only_linux
@pytest.mark.parametrize("work", [LONG_WORK, CHILD], ids=["itself", "its child"])
def test_work_in_silence_is_waited_for(work: str) -> None:
    with opened(work) as program:
        for count in (1, 2):
            answer = program.press(b"x")
            assert program.text.count("done") == count
            assert answer.bytes_written == len("taken done ")
            assert answer.first_change_ms is not None


@only_linux
def test_keys_that_were_not_taken_yet_are_waited_for() -> None:
    with opened("pass") as program:
        os.kill(program.pid, signal.SIGSTOP)
        os.waitpid(program.pid, os.WUNTRACED)
        go_on = threading.Timer(0.6, os.kill, (program.pid, signal.SIGCONT))
        go_on.start()
        program.press(b"x")
        go_on.join()
        assert "done" in program.text


def test_a_program_sees_the_size_that_the_terminal_is_given() -> None:
    shown = "import os, sys; print(*os.get_terminal_size(1), flush=True)"
    follows = f"{shown}\nfor _ in sys.stdin: print(*os.get_terminal_size(1), flush=True)"
    with Terminal([sys.executable, "-c", follows], size=(100, 30)) as program:
        program.wait_for(lambda text: "100 30" in text)
        program.resize((60, 20))
        program.send(b"\r")
        program.wait_for(lambda text: "60 20" in text)
        assert [len(row) for row in program.text.splitlines()] == [60] * 20


def test_what_sleeps_writes_nothing() -> None:
    with opened("pass") as program:
        program.press(b"x")
        written = program.bytes_written
        program.settle()
        assert program.bytes_written == written


def test_keys_that_are_sent_are_not_waited_for() -> None:
    with opened("pass") as program:
        program.send(b"xx")
        program.wait_for(lambda text: text.count("done") == 2)


@only_linux
def test_what_never_rests_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "LIMIT_S", 0.5)
    with opened("while True: pass") as program, pytest.raises(TimeoutError, match="still at work"):
        program.press(b"x")


def test_a_program_that_ends_is_done_and_reaches_nothing_more() -> None:
    with opened("pass") as program:
        assert program.press(b"q").bytes_written == 0
        program.settle()
        with pytest.raises(TimeoutError, match="not reached when the program ended"):
            program.wait_for(lambda text: "done" in text)


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A program that works when it is told to, beside the terminal."""
    code = f"import sys, time\nfor _ in sys.stdin:\n    {LONG_WORK}\n    print(flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


@only_linux
def test_work_is_also_that_of_the_server_behind_a_client(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    with Terminal([sys.executable, "-c", "input()"], through=[server.pid]) as client:
        client.settle()
        server.stdin.write(b"\n")
        server.stdin.flush()
        client.settle()
        # what it says when it is done is there already
        assert terminal.select.select([server.stdout], [], [], 0)[0]


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        (["a", "界", "", "b"], "a界b"),
        # a resize can take away the first half of a wide character
        (["", "b", "", " "], " b  "),
    ],
)
def test_a_row_has_all_its_columns(cells: list[str], seen: str) -> None:
    assert terminal._row(cells) == seen
