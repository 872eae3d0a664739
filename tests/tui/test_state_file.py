"""The saved session: private, whole or not at all, one for each wizard, and never in the way."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wizard_tui.tui.state_file import LIMIT_BYTES, StateFile

# another wizard: saves, says so, and waits to be killed
_OTHER = """
import sys, json
from pathlib import Path
from wizard_tui.tui.state_file import StateFile
file = StateFile(Path(sys.argv[1]))
file.save({"who": "other"})
print("saved", flush=True)
sys.stdin.read()
"""


def files(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()}


def left(folder: Path, name: str, content: bytes, age_s: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    os.utime(folder / name, (1_700_000_000 - age_s,) * 2)


def test_what_is_saved_is_private_and_leaves_nothing_beside(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    mine = StateFile(folder)
    assert mine.save({"fields": {"a": ["ü", "yours"]}})
    assert mine.save({"fields": {}})
    assert files(folder) == {".json", ".lock"}
    (path,) = folder.glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert mine.newest_left() is None, "one's own session is no left one"


def test_a_wizard_that_runs_keeps_its_session_and_one_that_was_killed_leaves_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "saved\n"
        mine = StateFile(tmp_path)
        assert mine.newest_left() is None
        mine.save({"who": "me"})
        other.kill()
        other.wait()
        saved = StateFile(tmp_path).newest_left()
        assert saved is not None
        assert saved.state == {"who": "other"}


def test_the_newest_is_offered_and_older_ones_go(tmp_path: Path) -> None:
    left(tmp_path, "1.json", b'{"n": 1}', age_s=100)
    left(tmp_path, "2.json", b'{"n": 2}', age_s=10)
    saved = StateFile(tmp_path).newest_left()
    assert saved is not None
    assert saved.state == {"n": 2}
    assert saved.saved_at == 1_700_000_000 - 10
    assert {path.name for path in tmp_path.iterdir()} == {"2.json"}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b" " * (LIMIT_BYTES + 1)])
def test_a_broken_file_is_no_session(tmp_path: Path, content: bytes) -> None:
    left(tmp_path, "1.json", content)
    assert StateFile(tmp_path).newest_left() is None


def test_a_disk_that_refuses_does_not_stop_the_wizard(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file = StateFile(tmp_path / "file" / "sessions")
    assert not file.save({})
    assert file.newest_left() is None


def test_state_that_is_no_json_leaves_the_old_one(tmp_path: Path) -> None:
    mine = StateFile(tmp_path)
    mine.save({"version": 1})
    (path,) = tmp_path.glob("*.json")
    with pytest.raises(TypeError):
        mine.save({"version": object()})
    assert path.read_text() == '{"version": 1}'
    assert files(tmp_path) == {".json", ".lock"}


@pytest.mark.parametrize("ahead_s", [3600, 10**9, 10**11])
def test_a_session_from_the_future_waits_behind_those_of_the_present(tmp_path: Path, ahead_s: int) -> None:
    """A clock that was wrong wrote it, or one that is wrong looks for it: nobody knows which is the newest."""
    now = int(time.time())
    for name, at in (("1.json", now - 50), ("2.json", now - 10), ("3.json", now + ahead_s)):
        left(tmp_path, name, json.dumps({"n": name}).encode())
        os.utime(tmp_path / name, (at, at))
    saved = StateFile(tmp_path).newest_left()
    assert saved is not None
    assert saved.state == {"n": "2.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"2.json", "3.json"}
    (tmp_path / "2.json").unlink()
    alone = StateFile(tmp_path).newest_left()
    assert alone is not None
    assert alone.state == {"n": "3.json"}
    assert alone.saved_at <= time.time(), "it can be shown as a date"
