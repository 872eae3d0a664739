"""Which servers were started from here: a record and a log for each, so that a later wizard finds them again.

A record tells what to stop, so it counts only when nobody but the user can have written it, and when each part has the
form in which it is written here. Any other record is set aside: it is named, left where it is, and stops nothing else
from working.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from wizard_tui.errors import Refusal
from wizard_tui.files import check_private, make_private, read_private, replace_file, state_folder
from wizard_tui.launch.record import Record, is_base_url
from wizard_tui.launch.ways import WAYS

LIMIT_BYTES = 1 << 20
VERSION = 1
"""Version of a record's form; a record without a version has the first."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


_RECORD = TypeAdapter(Record)


class Found(NamedTuple):
    """Records that count, newest first, and for each that does not a sentence with the cure."""

    records: list[Record]
    set_aside: list[str]


class Records:
    """The records under the XDG state directory, or under a given one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "servers"

    def new_log(self, name: str) -> Path:
        """A fresh private log file for a server. Raises OSError where none can be made."""
        make_private(self.folder)
        path = self.folder / f"{name}-{secrets.token_hex(3)}.log"
        path.touch(mode=0o600, exist_ok=False)
        return path

    def keep(self, record: Record) -> None:
        """Write a record beside its log. Raises OSError."""
        data = {"version": VERSION, **asdict(record)}
        replace_file(record.log_path.with_suffix(".json"), json.dumps(data, ensure_ascii=False))

    def keep_result(self, record: Record, result: Mapping[str, Any]) -> Path | None:
        """Add what was measured to the file beside the log; its path, or None when it cannot be written."""
        path = record.log_path.with_suffix(".results.jsonl")
        row = {"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "request": record.request, **result}
        with suppress(OSError), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            return path
        return None

    def forget(self, record: Record) -> None:
        """Remove a record; its log stays."""
        with suppress(OSError):
            record.log_path.with_suffix(".json").unlink()

    def all(self) -> list[Record]:
        """Every record that counts, newest first."""
        return self.found().records

    def found(self) -> Found:
        """Every record; those that count are kept apart from those that do not."""
        found = Found([], [])
        for path in self._paths(found.set_aside):
            try:
                found.records.append(_read(path))
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                found.set_aside.append(_sentence("a record of a server is set aside", path, error))
        found.records.sort(key=lambda record: -record.started_at)
        return found

    def _paths(self, set_aside: list[str]) -> Iterator[Path]:
        try:
            check_private(self.folder)
            yield from sorted(self.folder.glob("*.json"))
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            set_aside.append(_sentence("the records of servers are set aside", self.folder, error))


def _read(path: Path) -> Record:
    """A record, checked as a whole. Raises Refusal with what is wrong and the cure, and OSError."""
    none = f"{path} is no record of a server; remove it when the server that it names has ended"
    try:
        data = json.loads(read_private(path, LIMIT_BYTES))
        version = data.pop("version", 1)
    except (ValueError, RecursionError, AttributeError, TypeError):
        raise Refusal(none) from None
    if isinstance(version, int) and version > VERSION:
        raise Refusal(f"{path} was written by a later version of this program; use that one")
    try:
        record = _RECORD.validate_python(data)
    except ValueError:
        raise Refusal(none) from None
    if version != VERSION or not _is_ours(record, path):
        raise Refusal(none)
    return record


def _is_ours(record: Record, path: Path) -> bool:
    """Whether all parts of a record that are used have the form written here: it is data, never a command."""
    return (
        record.log == str(path.with_suffix(".log"))
        and _NAME.fullmatch(record.name) is not None
        and path.stem.startswith(f"{record.name}-")
        and record.way in WAYS
        and WAYS[record.way].made(record)
        and is_base_url(record.base_url)
        and (record.api_key_env is None or _VARIABLE.fullmatch(record.api_key_env) is not None)
        and math.isfinite(record.started_at)
    )


def _sentence(what: str, path: Path, error: OSError | ValueError) -> str:
    """Which record is not used and why, safe to show: the name of a file may hold anything."""
    # the system's words do not name the file; ours do
    said = error.strerror if isinstance(error, OSError) else None
    why = f"{path} cannot be read: {said}; put that right, or remove it" if said else str(error)
    return "".join(char if char.isprintable() else "?" for char in f"{what}: {why}")
