"""Records of servers: private, without secrets, and found again."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from wizard_tui.launch.records import Record, Records


def a_record(records: Records, name: str = "vllm-a", at: float = 1.0) -> Record:
    log = records.new_log(name)
    return Record(name, "process", "1:1", str(log), "http://127.0.0.1:8000", at, {"model": {"model": "a/b"}})


def test_what_is_kept_is_found_newest_first(tmp_path: Path) -> None:
    records = Records(tmp_path / "s")
    old, new = a_record(records, at=1.0), a_record(records, "vllm-b", at=2.0)
    records.keep(old)
    records.keep(new)
    assert Records(tmp_path / "s").all() == [new, old]
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


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    records = Records(tmp_path)
    good = a_record(records)
    records.keep(good)
    data = json.loads(good.log_path.with_suffix(".json").read_text())
    (tmp_path / "half.json").write_text('{"name": "x"')
    (tmp_path / "other.json").write_text(json.dumps({**data, "log": "/etc/passwd"}))
    (tmp_path / "named.json").write_text(json.dumps({**data, "log": str(tmp_path / "named.log"), "name": "--rm\x1b"}))
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "folder.json").mkdir()
    assert records.all() == [good]


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert Records(tmp_path / "none").all() == []


def test_results_are_added_beside_the_log(tmp_path: Path) -> None:
    records = Records(tmp_path)
    record = a_record(records)
    for rate in (1.0, 2.0):
        path = records.keep_result(record, {"toks_per_s": rate})
    assert path is not None
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["toks_per_s"] for row in rows] == [1.0, 2.0]
    assert rows[0]["request"] == {"model": {"model": "a/b"}}
