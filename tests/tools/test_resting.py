"""Who sleeps and who is at work, as the kernel tells it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import wait_for
from tools.resting import KNOWN, turns_at_rest, with_descendants

pytestmark = pytest.mark.skipif(not KNOWN, reason="only Linux tells who sleeps")

AT_WORK = {
    "itself": "while True: pass",
    "a thread": "import threading\ndef burn():\n    while True: pass\n"
    "threading.Thread(target=burn).start(); threading.Event().wait()",
    "a child": "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])",
}
ASLEEP = {
    "itself": "input()",
    "with a thread that looks now and then": "import threading, time\ndef look():\n    while True: time.sleep(0.001)\n"
    "threading.Thread(target=look).start(); input()",
}


@contextmanager
def running(code: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE)
    with process:
        try:
            yield process.pid
        finally:
            for pid in with_descendants([process.pid])[1:]:
                subprocess.run(["kill", "-9", str(pid)], check=True)
            process.kill()


@pytest.mark.parametrize("who", AT_WORK)
def test_what_is_at_work_is_never_at_rest(who: str) -> None:
    with running(AT_WORK[who]) as pid:
        wait_for(lambda: all(turns_at_rest([pid]) is None for _ in range(200)))


@pytest.mark.parametrize("who", ASLEEP)
def test_what_sleeps_takes_no_turns(who: str) -> None:
    with running(ASLEEP[who]) as pid:
        wait_for(lambda: len({str(turns_at_rest([pid])) for _ in range(200)} - {"None"}) == 1)
        assert list(turns_at_rest([pid]) or {pid: 0}) == [pid]


def test_what_has_ended_has_no_turns() -> None:
    with running("") as pid:
        pass
    assert with_descendants([pid]) == []
    assert turns_at_rest([pid]) == {}
