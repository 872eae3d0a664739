"""The saved session: private, whole or not at all, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from wizard_tui.tui.state_file import LIMIT_BYTES, load_state, save_state


def test_what_is_saved_is_loaded_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "session.json"
    assert save_state({"version": 1, "fields": {"a": ["ü", "yours"]}}, path)
    assert load_state(path) == {"version": 1, "fields": {"a": ["ü", "yours"]}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path], "no temporary file stays"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b" " * (LIMIT_BYTES + 1)])
def test_a_broken_file_is_no_session(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "session.json"
    path.write_bytes(content)
    assert load_state(path) is None


def test_a_disk_that_refuses_does_not_stop_the_wizard(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not save_state({"version": 1}, tmp_path / "file" / "session.json")
    assert load_state(tmp_path / "file" / "session.json") is None


def test_state_that_is_no_json_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "session.json"
    save_state({"version": 1}, path)
    with pytest.raises(TypeError):
        save_state({"version": object()}, path)
    assert load_state(path) == {"version": 1}
    assert list(tmp_path.iterdir()) == [path]
