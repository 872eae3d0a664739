"""Files on a real disk: whole or not at all, private, and never over somebody's own work."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from wizard_tui.launch import writer
from wizard_tui.launch.writer import MANIFEST, Conflict, OutputFile, write_files

FILES = {"serve.sh": OutputFile("#!/bin/sh\necho ü\n", executable=True), "sub/a.yaml": OutputFile("a: 1\n")}


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }


def test_files_are_written_private_and_scripts_can_be_run(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deploy"
    written = write_files(folder, FILES)
    assert written == [folder / "serve.sh", folder / "sub/a.yaml"]
    assert contents(folder) == {name: file.text for name, file in FILES.items()}
    assert stat.S_IMODE((folder / "serve.sh").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "sub/a.yaml").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_writing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    before = (tmp_path / "serve.sh").stat().st_mtime_ns
    assert write_files(tmp_path, FILES) == []
    assert (tmp_path / "serve.sh").stat().st_mtime_ns == before


def test_our_own_file_is_replaced_by_a_new_plan(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    write_files(tmp_path, {"serve.sh": OutputFile("second\n")})
    assert (tmp_path / "serve.sh").read_text() == "second\n"
    write_files(tmp_path, {"serve.sh": OutputFile("third\n")})
    assert (tmp_path / "serve.sh").read_text() == "third\n"
    assert (tmp_path / "sub/a.yaml").read_text() == "a: 1\n", "files of an earlier set stay"


@pytest.mark.parametrize("ours", [True, False])
def test_a_file_that_somebody_changed_stops_the_whole_set(tmp_path: Path, ours: bool) -> None:
    if ours:
        write_files(tmp_path, FILES)
    (tmp_path / "serve.sh").write_text("#!/bin/sh\nmine \x1b[31m\n")
    before = contents(tmp_path)
    with pytest.raises(Conflict, match=r"serve\.sh was changed by hand") as caught:
        write_files(tmp_path, FILES | {"new.txt": OutputFile("new\n")})
    assert contents(tmp_path) == before
    assert "-mine ?[31m\n" in caught.value.diff
    assert "+echo ü\n" in caught.value.diff
    write_files(tmp_path, FILES, force=True)
    assert contents(tmp_path)["serve.sh"] == FILES["serve.sh"].text


def test_a_disk_that_fails_half_way_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"serve.sh": OutputFile("first\n", executable=True)})
    before = contents(tmp_path)
    replace = Path.replace

    def fail_at_the_second(path: Path, target: Path) -> Path:
        if Path(target).name == "a.yaml":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(writer.Path, "replace", fail_at_the_second)
    with pytest.raises(OSError, match="No space"):
        write_files(tmp_path, FILES)
    assert contents(tmp_path) == before
    assert stat.S_IMODE((tmp_path / "serve.sh").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../out", "/etc/x", "a/../../b", ""])
def test_no_name_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        write_files(tmp_path / "in", {name: OutputFile("x")})
    assert not list(tmp_path.iterdir())


def test_links_directories_and_pipes_are_not_written_over(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("keep")
    folder = tmp_path / "deploy"
    folder.mkdir()
    (folder / "serve.sh").symlink_to(elsewhere)
    with pytest.raises(ValueError, match="symbolic link"):
        write_files(folder, FILES, force=True)
    (folder / "serve.sh").unlink()
    (folder / "serve.sh").mkdir()
    with pytest.raises(ValueError, match="not a file"):
        write_files(folder, FILES, force=True)
    (folder / "serve.sh").rmdir()
    os.mkfifo(folder / "serve.sh")
    with pytest.raises(ValueError, match="not a file"):
        write_files(folder, FILES, force=True)
    assert elsewhere.read_text() == "keep"


def test_a_file_in_place_of_the_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(ValueError, match="is not a directory"):
        write_files(tmp_path / "x", FILES)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"serve.sh": null}}'])
def test_with_a_broken_manifest_changed_files_are_kept(tmp_path: Path, text: str) -> None:
    write_files(tmp_path, FILES)
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(Conflict):
        write_files(tmp_path, {"serve.sh": OutputFile("other\n")})
