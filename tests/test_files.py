"""Files of our own: nobody else's word is taken for the user's."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from wizard_tui.files import NotPrivateError, check_private, make_private, read_private

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def test_directories_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        make_private(folder)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)] == [0o700, 0o700]
    make_private(folder)


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    for refuses in (make_private, check_private):
        with pytest.raises(NotPrivateError, match=r"may be written by others; .* chmod go-w"):
            refuses(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode, "the user decides what becomes of it"
    tmp_path.chmod(0o755)
    make_private(tmp_path)


@as_root
def test_files_of_another_user_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "folder", tmp_path / "file"):
        os.chown(path, NOBODY, NOBODY)
    with pytest.raises(NotPrivateError, match=r"belongs to another user; .*XDG_STATE_HOME"):
        make_private(tmp_path / "folder")
    with pytest.raises(NotPrivateError, match="belongs to another user"):
        read_private(tmp_path / "file", 10)


def test_a_directory_that_is_a_link_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    make_private(tmp_path / "link")
    (tmp_path / "real").chmod(0o777)
    with pytest.raises(NotPrivateError):
        make_private(tmp_path / "link")


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00content")
    (tmp_path / "file").chmod(0o644)
    assert read_private(tmp_path / "file", 8) == b"\x00content"
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "none", 8)


def link(path: Path) -> None:
    (path.parent / "real").write_text("x")
    path.symlink_to("real")


@pytest.mark.usefixtures("not_for_ever")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (link, "is a symbolic link"),
        (os.mkfifo, "is no file of at most 8 bytes"),
        (Path.mkdir, "is no file of at most 8 bytes"),
        (lambda path: (path.write_bytes(b"123456789"), path.chmod(0o644)), "is no file of at most 8 bytes"),
        (lambda path: (path.touch(), path.chmod(0o620)), "may be written by others"),
        (lambda path: (path.touch(), path.chmod(0o602)), "may be written by others"),
    ],
    ids=["link", "FIFO", "directory", "too large", "group", "others"],
)
def test_only_a_private_regular_file_is_read(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    path = tmp_path / "it"
    make(path)
    if path.is_dir() or path.is_fifo():
        path.chmod(0o700)
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match=said):
        read_private(path, 8)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files
