"""The saved session: private, whole or not at all, one for each wizard, and never in the way."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer

import pytest

from wizard_tui import files as own_files
from wizard_tui.tui import state_file
from wizard_tui.tui.state_file import KEPT_AT_LEAST, LIMIT_BYTES, OLD_S, NotSavedError, Saved, StateFile

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


def names(sessions: list[Saved]) -> list[str]:
    return [saved.name for saved in sessions]


def test_a_saved_session_is_private_and_leaves_no_other_file(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    mine = StateFile(folder)
    mine.save({"fields": {"a": ["ü", "yours"]}})
    mine.save({"fields": {}})
    assert files(folder) == {".json", ".lock"}
    (path,) = folder.glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert mine.left() == [], "one's own session is no left one"


def test_a_wizard_that_runs_keeps_its_session_and_one_that_was_killed_leaves_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "saved\n"
        mine = StateFile(tmp_path)
        assert mine.left() == []
        mine.save({"who": "me"})
        other.kill()
        other.wait()
        (saved,) = StateFile(tmp_path).left()
        assert saved.state == {"who": "other"}


def test_the_same_process_number_elsewhere_is_another_wizard(tmp_path: Path) -> None:
    """Two containers that share a home may both run the wizard as process 7."""
    first, second = StateFile(tmp_path), StateFile(tmp_path)
    first.save({"who": "first"})
    second.save({"who": "second"})
    assert len(list(tmp_path.glob("*.json"))) == 2


def test_all_earlier_sessions_are_offered_newest_first(tmp_path: Path) -> None:
    for number in range(5):
        left(tmp_path, f"{number}.json", b"{}", age_s=number * OLD_S)
    assert names(StateFile(tmp_path).left()) == ["0", "1", "2", "3", "4"], "and none is removed, though all are old"


def test_a_session_is_removed_when_it_is_old_and_one_of_many(tmp_path: Path) -> None:
    now = time.time()
    for number in range(KEPT_AT_LEAST + 4):
        left(tmp_path, f"{number}.json", b"{}")
        at = now - OLD_S + 60 if number % 2 else now - OLD_S - 60
        os.utime(tmp_path / f"{number}.json", (at, at))
    kept = names(StateFile(tmp_path).left())
    assert {name for name in kept if int(name) % 2} == {str(n) for n in range(1, KEPT_AT_LEAST + 4, 2)}, "young ones"
    StateFile(tmp_path).left()
    assert len(list(tmp_path.glob("*.json"))) == KEPT_AT_LEAST


def test_a_taken_session_belongs_to_one_wizard_until_it_lets_go(tmp_path: Path) -> None:
    left(tmp_path, "1.json", b'{"n": 1}')
    first, second = StateFile(tmp_path), StateFile(tmp_path)
    taken = first.take("1")
    assert taken is not None
    assert taken.state == {"n": 1}
    assert second.take("1") is None
    assert second.left() == []
    first.let_go()
    assert names(second.left()) == ["1"]
    assert second.take("1") is not None


def test_checking_the_lock_does_not_count_as_another_wizard(tmp_path: Path) -> None:
    """Checking whether a session is held holds it for a moment: that must not cost the user the offer."""
    left(tmp_path, "1.json", b"{}")
    looking = os.open(tmp_path / "1.lock", os.O_CREAT | os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    soon = Timer(state_file.TRY_EVERY_S * 2, lambda: os.close(looking))
    soon.start()
    assert StateFile(tmp_path).take("1") is not None


def test_two_wizards_that_take_at_once_never_both_have_it(tmp_path: Path) -> None:
    for number in range(20):
        left(tmp_path, f"{number}.json", b"{}")
        takers = [StateFile(tmp_path) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda taker: taker.take(str(number)), takers))  # noqa: B023
        assert len([one for one in taken if one is not None]) <= 1


def test_a_taken_session_is_removed_only_when_its_successor_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(tmp_path, "1.json", b"{}")
    mine = StateFile(tmp_path)
    mine.take("1")
    monkeypatch.setattr(state_file, "replace_file", full)
    with pytest.raises(NotSavedError):
        mine.save({}, instead_of="1")
    assert (tmp_path / "1.json").exists()
    monkeypatch.undo()
    mine.save({}, instead_of="1")
    assert not (tmp_path / "1.json").exists()
    assert not (tmp_path / "1.lock").exists()


def test_a_session_taken_but_not_continued_stays(tmp_path: Path) -> None:
    left(tmp_path, "1.json", b"{}")
    mine = StateFile(tmp_path)
    mine.take("1")
    mine.save({"new": 1})
    assert names(StateFile(tmp_path).left()) == ["1"]


def test_a_session_set_aside_is_offered_later(tmp_path: Path) -> None:
    mine = StateFile(tmp_path)
    mine.save({"n": 1})
    mine.set_aside()
    mine.save({"n": 2})
    assert [saved.state for saved in mine.left()] == [{"n": 1}]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b" " * (LIMIT_BYTES + 1)])
def test_a_broken_file_is_not_offered_as_a_session(tmp_path: Path, content: bytes) -> None:
    left(tmp_path, "1.json", content)
    left(tmp_path, "2.json", b"{}", age_s=10)
    assert names(StateFile(tmp_path).left()) == ["2"]
    assert StateFile(tmp_path).take("1") is None


def full(path: Path, text: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_failed_save_is_explained_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotSavedError, match=r"cannot be written \(Not a directory\); make it writable, or set "):
        StateFile(tmp_path / "file" / "sessions").save({})
    assert StateFile(tmp_path / "file" / "sessions").left() == []
    with pytest.raises(NotSavedError, match="has no home directory; set XDG_STATE_HOME"):
        StateFile(own_files.NOWHERE / "program" / "sessions").save({})
    monkeypatch.setattr(state_file, "replace_file", full)
    with pytest.raises(NotSavedError, match=r"^the disk is full; make room where "):
        StateFile(tmp_path).save({})


def test_a_folder_that_was_removed_under_it_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    mine = StateFile(folder)
    mine.save({"n": 1})
    shutil.rmtree(folder)
    mine.save({"n": 2})
    assert files(folder) == {".json", ".lock"}
    assert StateFile(folder).left() == [], "and it is held"


def test_a_disk_without_locks_keeps_sessions_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    StateFile(tmp_path).save({"n": 1})
    (saved,) = StateFile(tmp_path).left()
    assert StateFile(tmp_path).take(saved.name) is not None


def test_locks_of_wizards_that_saved_nothing_go_when_they_are_old(tmp_path: Path) -> None:
    running = StateFile(tmp_path)
    running.try_out()
    (held,) = tmp_path.glob("*.lock")
    for lock, age_s in (("old", 2 * 86_400), ("young", 60)):
        (tmp_path / f"{lock}.lock").touch()
        os.utime(tmp_path / f"{lock}.lock", (time.time() - age_s,) * 2)
    os.utime(held, (1_700_000_000,) * 2)
    StateFile(tmp_path).left()
    assert {path.name for path in tmp_path.iterdir()} == {held.name, "young.lock"}


def test_data_that_cannot_be_json_leave_the_old_session(tmp_path: Path) -> None:
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
        left(tmp_path, name, b"{}")
        os.utime(tmp_path / name, (at, at))
    found = StateFile(tmp_path).left()
    assert names(found) == ["2", "1", "3"]
    assert found[-1].saved_at <= time.time(), "it can be shown as a date"
