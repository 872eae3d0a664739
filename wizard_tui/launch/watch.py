"""Follows a server from its log, its disk and its port: which stage, how far, ready, or why it ended."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from wizard_tui.launch import ways
from wizard_tui.launch.client import Client
from wizard_tui.launch.downloads import downloaded_bytes
from wizard_tui.launch.failures import Failure, StartReader
from wizard_tui.launch.record import Record
from wizard_tui.launch.startup_log import LINE_LIMIT, STAGES, StartupLog, clean_line
from wizard_tui.planning.decision import Decision
from wizard_tui.schemas.outputs import PlanResponse

STARTING, READY, ENDED = "starting", "ready", "ended"
DOWNLOAD = "download"
# the stages of the log in which the server listens
SERVING = ("warm-up", "ready")
_SECONDS = {"load": "load_seconds", "compile": "compile_seconds", "graphs": "graph_seconds"}
READ_AT_ONCE = 1 << 20
# progress bars end each state with a carriage return only
_BREAK = re.compile(rb"[\r\n]+")


@dataclass(frozen=True)
class Stage:
    """One step of a start. `state` is `done`, `now` or `later`; `share` how much of it is done, None where that
    is unknown; `detail` more words, such as bytes and time left."""

    name: str
    state: str
    share: float | None = None
    detail: str = ""


class Watch:
    """The view of one server. `poll` asks disk, port and system, and belongs in a thread; the rest holds what it found.

    `response` is the plan that was started, and `decision` what it was made from. `clock` counts seconds.
    `port_is_anothers` says that the server would be ready if the program on its port were the server itself.
    """

    def __init__(
        self,
        record: Record,
        response: PlanResponse | None = None,
        decision: Decision | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.record, self.response, self.decision = record, response, decision
        self._reader = StartReader()
        self.state = STARTING
        self.stopped_by_user = False
        self.port_is_anothers = False
        self._clock = clock
        self._failure: Failure | None = None
        self._file: BinaryIO | None = None
        self._rest = b""
        self._downloaded: tuple[float, int] | None = None
        self._bytes_per_s = 0.0
        self._client = Client(record.base_url)
        self._ready_after_s: float | None = None

    @property
    def log(self) -> StartupLog:
        """What the server has printed of itself."""
        return self._reader.log

    @property
    def seconds(self) -> float:
        """Seconds since the start, up to ready once it is. Never less than 0: clocks may be set back."""
        if self._ready_after_s is not None:
            return self._ready_after_s
        return max(0.0, self._clock() - self.record.started_at)

    @property
    def failure(self) -> Failure | None:
        """Why it ended; None while it runs, when it was stopped on purpose, or when the log does not tell."""
        if self.state != ENDED or self.stopped_by_user:
            return None
        return self._failure

    def poll(self) -> list[str]:
        """Look again; the new lines of the log, clean."""
        lines = self._read(self._new_lines())
        self._look_at_disk()
        if self.state == STARTING and self._serves():
            self._ready_after_s = self.seconds
            self.state = READY
        if self.state != ENDED and not ways.is_running(self.record):
            # its last lines may have come in between; how the system says it ended comes last
            last = [text] if (text := ways.exit_text(self.record)) else []
            lines += self._read([*self._new_lines(to_the_end=True), *last])
            self._failure = self._reader.failure(self.decision)
            self.state = ENDED
        return lines

    def _serves(self) -> bool:
        """Whether the server says that it serves, and itself answers: another program may answer on its port."""
        if self.log.stage not in SERVING or not self._client.is_healthy():
            self.port_is_anothers = False
            return False
        # where the system does not tell whose port it is, the log is trusted
        self.port_is_anothers = ways.owns_port(self.record) is False
        return not self.port_is_anothers

    def _read(self, lines: list[str]) -> list[str]:
        for line in lines:
            self._reader.feed(line)
        return lines

    def measure(self) -> None:
        """Take the cache figures that the ready server itself states, where the log has none."""
        for name, value in self._client.cache_figures().items():
            self.log.values.setdefault(name, value)

    def stages(self) -> list[Stage]:
        """Every step of the start with its state."""
        at = len(STAGES) - 1 if self.state == READY else STAGES.index(self.log.stage) if self.log.stage else 0
        found = []
        if (download := self._download_stage(at)) is not None:
            found.append(download)
            at = -1 if download.state == "now" else at
        for place, name in enumerate(STAGES):
            state = "done" if place < at or self.state == READY else "now" if place == at else "later"
            share, detail = self._share(name) if state == "now" else (None, self._took(name) if state == "done" else "")
            found.append(Stage(name, state, share, detail))
        return found

    def close(self) -> None:
        """Let go of the log and the connection."""
        self._client.close()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _share(self, name: str) -> tuple[float | None, str]:
        values = self.log.values
        if name == "load" and values.get("shards_total"):
            done, total = values["shards_done"], values["shards_total"]
            return done / total, f"{done} of {total} shards"
        if name == "graphs" and "graphs_percent" in values:
            return values["graphs_percent"] / 100, f"{values['graphs_percent']} %"
        return None, ""

    def _took(self, name: str) -> str:
        """How long a stage took, where the log says so."""
        seconds = self.log.values.get(_SECONDS.get(name, ""))
        return f"{seconds:,.0f} s" if seconds is not None else ""

    def _download_stage(self, at: int) -> Stage | None:
        total = self.response.config.deployment.download_bytes if self.response is not None else None
        if self._downloaded is None or not total:
            return None
        _, there = self._downloaded
        if there >= total or at > 0 or self.log.values.get("shards_total"):
            return Stage(DOWNLOAD, "done")
        detail = f"{there / 2**30:.1f} of {total / 2**30:.1f} GiB"
        if self._bytes_per_s > 0:
            left = (total - there) / self._bytes_per_s
            detail += f", {self._bytes_per_s / 1e6:,.0f} MB/s, {left / 60:.0f} min left"
        return Stage(DOWNLOAD, "now", there / total, detail)

    def _look_at_disk(self) -> None:
        config = self.response.config if self.response is not None else None
        if config is None or config.deployment.model_is_local or self.state != STARTING:
            return
        if self.log.values.get("shards_total") or (self.log.stage or STAGES[0]) != STAGES[0]:
            return
        now, there = self._clock(), downloaded_bytes(config.model)
        if self._downloaded is not None and now > self._downloaded[0]:
            rate = max(0.0, (there - self._downloaded[1]) / (now - self._downloaded[0]))
            # a rate over the last few looks, not only the last one
            self._bytes_per_s = 0.7 * self._bytes_per_s + 0.3 * rate if self._bytes_per_s else rate
        self._downloaded = (now, there)

    def _new_lines(self, *, to_the_end: bool = False) -> list[str]:
        path: Path = self.record.log_path
        with suppress(OSError):
            if self._file is None:
                self._file = path.open("rb")
            data = self._rest + self._file.read(READ_AT_ONCE)
            *lines, self._rest = _BREAK.split(data)
            if to_the_end and self._rest:
                lines, self._rest = [*lines, self._rest], b""
            self._rest = self._rest[-LINE_LIMIT:]
            return [clean_line(line.decode("utf-8", errors="replace")) for line in lines]
        return []
