"""Which servers were started from here: a record and a log for each, so that a later wizard finds them again.

A record holds no secrets: neither the environment nor keys, only what the server was asked to be.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from wizard_tui.files import make_private, replace_file, state_folder

LIMIT_BYTES = 1 << 20
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Record:
    """One server. `way` is how it was started, `handle` what stops it there: `pid:start` of a process group, the file
    with a container's id, a Compose file, a unit. `client` is the `pid:start` of the docker that stays with a
    container. `request` is the plan request as plain data."""

    name: str
    way: str
    handle: str
    log: str
    base_url: str
    started_at: float
    request: dict[str, Any]
    api_key_env: str | None = None
    client: str = ""

    @property
    def log_path(self) -> Path:
        """Where its output goes."""
        return Path(self.log)


_RECORD = TypeAdapter(Record)


class Records:
    """The records under the XDG state directory, or under a given one."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_folder() / "servers"

    def new_log(self, name: str) -> Path:
        """A fresh private log file for a server. Raises OSError where none can be made."""
        make_private(self.folder)
        path = self.folder / f"{name}-{secrets.token_hex(3)}.log"
        path.touch(mode=0o600)
        return path

    def keep(self, record: Record) -> None:
        """Write a record beside its log. Raises OSError."""
        replace_file(record.log_path.with_suffix(".json"), json.dumps(asdict(record), ensure_ascii=False))

    def keep_result(self, record: Record, result: Mapping[str, Any]) -> Path | None:
        """Add what was measured to the file beside the log; its path, None when the disk does not take it."""
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
        """Every record that can be read, newest first."""
        return sorted(self._read(), key=lambda record: -record.started_at)

    def _read(self) -> Iterator[Record]:
        for path in self.folder.glob("*.json") if self.folder.is_dir() else ():
            with suppress(OSError, ValueError):
                if not path.is_file() or path.stat().st_size > LIMIT_BYTES:
                    continue
                record = _RECORD.validate_json(path.read_bytes())
                # a record is data: what it names must be its own log, and its name a plain word
                if record.log_path == path.with_suffix(".log") and _NAME.fullmatch(record.name):
                    yield record
