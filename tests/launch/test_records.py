"""Records of servers: private, without secrets, found again, and set aside if somebody else may have written them."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wizard_tui.files import NotPrivateError
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.ways import WAYS

NOBODY = 65534
# a pid that no process has: the kernel's largest is one less
GONE = "4194304:1"


def a_record(records: Records, name: str = "vllm-a", at: float = 1.0, way: str = "process") -> Record:
    log = records.new_log(name)
    record = Record(name, way, GONE, str(log), "http://127.0.0.1:8000", at, {"model": {"model": "a/b"}})
    if way == "systemd":
        return replace(record, handle=record.unit)
    if way != "process":
        return replace(record, handle=str(record.id_file if way == "docker" else record.compose_file), client=GONE)
    return record


def spoilt(records: Records, **changes: Any) -> Path:
    """A record with one part changed."""
    record = a_record(records, "vllm-spoilt", way=changes.pop("was", "process"))
    records.keep(record)
    path = record.log_path.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


@pytest.mark.parametrize("way", WAYS)
def test_kept_records_are_found_newest_first(tmp_path: Path, way: str) -> None:
    records = Records(tmp_path / "s")
    old, new = a_record(records, at=1.0, way=way), a_record(records, "vllm-b", at=2.0, way=way)
    records.keep(old)
    records.keep(new)
    assert Records(tmp_path / "s").found() == ([new, old], [])
    records.forget(new)
    assert records.all() == [old]
    assert new.log_path.exists()


def test_files_are_private(tmp_path: Path) -> None:
    records = Records(tmp_path / "s")
    record = a_record(records)
    records.keep(record)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "changes",
    [
        {"log": "/etc/passwd"},
        {"name": "--rm\x1b"},
        {"name": "another"},
        {"way": "nonsense"},
        {"way": "docker"},
        {"handle": "1:1"},
        {"handle": "0:1"},
        {"handle": "none"},
        {"handle": "4194304:1", "was": "docker"},
        {"handle": "/etc/id", "was": "docker"},
        {"client": "1:5", "was": "docker"},
        {"client": "", "was": "docker"},
        {"handle": "/tmp/compose.yaml", "was": "compose"},
        {"handle": "--no-block", "was": "systemd"},
        {"handle": "ssh.service", "was": "systemd"},
        {"client": "4194304:1"},
        {"base_url": "http://[zz]:8000"},
        {"base_url": "http://me:pw@127.0.0.1:8000"},
        {"base_url": "file:///etc/passwd"},
        {"started_at": float("nan")},
        {"started_at": float("inf")},
        {"started_at": 10**400},
        {"api_key_env": "A=B"},
        {"request": []},
        {"version": "1"},
        {"version": 0},
        {"version": None},
        {"handle": None},
    ],
    ids=str,
)
def test_a_record_of_another_form_is_set_aside_and_the_others_work(tmp_path: Path, changes: dict[str, Any]) -> None:
    records = Records(tmp_path)
    good = a_record(records)
    records.keep(good)
    path = spoilt(records, **changes)
    kept, (sentence,) = records.found()
    assert kept == [good]
    assert sentence == (
        f"a record of a server is set aside: {path} is no record of a server; "
        "remove it when the server that it names has ended"
    )
    assert path.exists()


def test_a_record_of_a_later_version_is_named_and_stays(tmp_path: Path) -> None:
    records = Records(tmp_path)
    path = spoilt(records, version=2, way="kubernetes", handle={"pods": []})
    kept, (sentence,) = records.found()
    assert kept == []
    assert sentence.endswith(f"{path} was written by a later version of this program; use that one")
    assert path.exists()


def test_a_record_without_a_version_has_the_first(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = a_record(records)
    records.keep(record)
    path = record.log_path.with_suffix(".json")
    data = json.loads(path.read_text())
    assert data.pop("version") == 1
    path.write_text(json.dumps(data))
    assert records.all() == [record]


def linked(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def given_away(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may give files away")
    os.chown(path, NOBODY, NOBODY)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.chmod(0o620), "may be written by others"),
        (lambda path: path.chmod(0o602), "may be written by others"),
        (given_away, "belongs to another user"),
        (linked, "is a symbolic link"),
        (lambda path: path.write_text('{"name": "x"'), "is no record of a server"),
        (lambda path: path.write_text("[" * 100_000), "is no record of a server"),
        (lambda path: path.write_text("7"), "is no record of a server"),
        (lambda path: path.write_text("[1]"), "is no record of a server"),
        (lambda path: path.write_bytes(b"\xff\xfe{"), "is no record of a server"),
        (lambda path: path.write_text(" " * (2 << 20)), "is no file of at most"),
        (lambda path: (path.unlink(), path.mkdir(mode=0o700)), "is no file of at most"),
    ],
    ids=["group", "others", "owner", "link", "half", "deep", "number", "list", "bytes", "large", "directory"],
)
def test_a_file_that_is_not_the_users_own_record_is_set_aside(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    records = Records(tmp_path)
    good = a_record(records)
    records.keep(good)
    path = spoilt(records)
    spoil(path)
    kept, (sentence,) = records.found()
    assert kept == [good]
    assert sentence.startswith(f"a record of a server is set aside: {path} {said}")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(lambda path: path.chmod(0o777), "may be written by others"), (given_away, "belongs to another user")],
)
def test_nothing_counts_in_a_folder_that_others_may_write(
    tmp_path: Path, spoil: Callable[[Path], object], said: str
) -> None:
    records = Records(tmp_path / "s")
    records.keep(a_record(records))
    spoil(records.folder)
    kept, (sentence,) = records.found()
    assert kept == []
    assert sentence.startswith(f"the records of servers are set aside: {records.folder} {said}")
    with pytest.raises(NotPrivateError, match=said):
        records.new_log("vllm-a")


def test_the_name_of_a_file_cannot_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "\x1b]0;title\x07.json").write_text("{")
    (sentence,) = Records(tmp_path).found().set_aside
    assert sentence.isprintable()


def test_without_a_folder_there_are_no_records(tmp_path: Path) -> None:
    assert Records(tmp_path / "none").found() == ([], [])
    (tmp_path / "file").touch()
    assert Records(tmp_path / "file" / "servers").found() == ([], [])


def test_results_are_added_beside_the_log(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = a_record(records)
    for rate in (1.0, 2.0):
        path = records.keep_result(record, {"toks_per_s": rate})
    assert path is not None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["toks_per_s"] for row in rows] == [1.0, 2.0]
    assert rows[0]["request"] == {"model": {"model": "a/b"}}
