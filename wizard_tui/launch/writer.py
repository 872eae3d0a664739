"""Writes a set of files to a directory: whole or not at all, privately, and never over somebody's own changes.

The directory keeps a digest of each file written, so that a later run can tell its own files, which it may replace,
from those that were changed by hand.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from wizard_tui.errors import Refusal

MANIFEST = ".vllm-wizard-tui.json"
PRIVATE, PRIVATE_SCRIPT, PRIVATE_DIRECTORY = 0o600, 0o700, 0o700
LIMIT_BYTES = 8 << 20


@dataclass(frozen=True)
class OutputFile:
    """The content of one file, and whether it is a script."""

    text: str
    executable: bool = False

    @property
    def data(self) -> bytes:
        """The bytes on disk."""
        return self.text.encode("utf-8")

    @property
    def digest(self) -> str:
        """The SHA-256 that identifies the content."""
        return hashlib.sha256(self.data).hexdigest()


class Conflict(Refusal):
    """Files that somebody changed stand in the way; nothing was written. `diff` shows them against the new ones."""

    def __init__(self, names: list[str], diff: str) -> None:
        several = len(names) > 1
        super().__init__(f"{' and '.join(names)} {'were' if several else 'was'} changed by hand")
        self.names = names
        self.diff = diff


def write_files(folder: Path, files: Mapping[str, OutputFile], *, force: bool = False) -> list[Path]:
    """Write `files` (name in the directory -> content) and return the paths of those that are new or different.

    Raises Conflict when a file was changed by hand or is not ours, unless `force`; Refusal when something other
    than a regular file is in the way or a name leads out of the directory; OSError when the disk refuses. In each case
    everything is as it was before.
    """
    if folder.exists() and not folder.is_dir():
        raise Refusal(f"{folder} is not a directory; give another one")
    present = {name: _content(folder, name) for name in files}
    if not force and (changed := _changed_by_hand(folder, present, files)):
        raise Conflict(changed, "".join(_diff(name, present[name], files[name]) for name in changed))
    fresh = {name: file for name, file in files.items() if present[name] != file.data}
    manifest = _manifest(folder) | {name: file.digest for name, file in files.items()}
    folder.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    listed = OutputFile(json.dumps({"files": dict(sorted(manifest.items()))}, indent=1) + "\n")
    _replace_all(folder, fresh | {MANIFEST: listed}, present | {MANIFEST: _content(folder, MANIFEST)})
    return [folder / name for name in fresh]


def _changed_by_hand(folder: Path, present: Mapping[str, bytes | None], files: Mapping[str, OutputFile]) -> list[str]:
    ours = _manifest(folder)
    return [
        name
        for name, data in present.items()
        if data is not None and data != files[name].data and hashlib.sha256(data).hexdigest() != ours.get(name)
    ]


def _replace_all(folder: Path, files: Mapping[str, OutputFile], before: Mapping[str, bytes | None]) -> None:
    """Stage every file beside its place, then move all into place; a move that fails undoes those before it."""
    staged: dict[str, Path] = {}
    modes = {name: (folder / name).stat().st_mode & 0o777 for name, data in before.items() if data is not None}
    moved: list[str] = []
    try:
        for name, file in files.items():
            staged[name] = _staged(folder / name, file.data, PRIVATE_SCRIPT if file.executable else PRIVATE)
        for name, path in staged.items():
            path.replace(folder / name)
            moved.append(name)
    except BaseException:
        for name in moved:
            data = before[name]
            with suppress(OSError):
                if data is None:
                    (folder / name).unlink()
                else:
                    _staged(folder / name, data, modes[name]).replace(folder / name)
        raise
    finally:
        for path in staged.values():
            with suppress(OSError):
                path.unlink()


def _staged(target: Path, data: bytes, mode: int) -> Path:
    target.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def _content(folder: Path, name: str) -> bytes | None:
    """What is at a name now; None when nothing is."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise Refusal(f"{name!r} leads out of the directory")
    path = folder / name
    for part in (path, *(parent for parent in path.parents if folder in parent.parents)):
        if part.is_symlink():
            raise Refusal(f"{part} is a symbolic link; remove it or give another directory")
    if not path.exists():
        return None
    if not path.is_file() or path.stat().st_size > LIMIT_BYTES:
        raise Refusal(f"{path} is not a file that could be replaced; remove it or give another directory")
    return path.read_bytes()


def _manifest(folder: Path) -> dict[str, str]:
    """Digests of the files written last; empty when they are not known."""
    try:
        listed = json.loads(_content(folder, MANIFEST) or b"{}")["files"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {str(name): str(digest) for name, digest in listed.items()} if isinstance(listed, dict) else {}


def _diff(name: str, old: bytes | None, new: OutputFile) -> str:
    before = (old or b"").decode("utf-8", "replace").splitlines()
    lines = difflib.unified_diff(before, new.text.splitlines(), f"{name} (there)", f"{name} (planned)", lineterm="")
    return "".join(_printable(line) + "\n" for line in lines)


def _printable(line: str) -> str:
    return "".join(char if char.isprintable() or char == "\t" else "?" for char in line)
