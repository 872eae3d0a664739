"""Why did it end? The known endings of a start, by what the log says: cause, evidence, and a change that cures it."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from wizard_tui.launch.startup_log import STAGES, brief, clean_line
from wizard_tui.schemas.outputs import PlanResponse

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STEP = 0.03
LONGEST_EVIDENCE = 400
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")

Patch = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Failure:
    """One ending. `cause` is a plain sentence, `evidence` the line that says so, `patch` changes the request
    (section -> field -> value, None leaves it to the planner) and is empty where no change of it can help."""

    name: str
    cause: str
    evidence: str
    patch: Patch = field(default_factory=dict)


@dataclass(frozen=True)
class _Rule:
    place: int
    name: str
    patterns: tuple[re.Pattern[str], ...]
    cause: str
    stages: tuple[str, ...]
    patch: Mapping[str, str] | str


class FailureReader:
    """Reads a log line by line and keeps the most telling ending; memory does not grow with the log."""

    def __init__(self) -> None:
        self._found: tuple[_Rule, Mapping[str, str], str] | None = None

    def feed(self, line: str, stage: str | None) -> None:
        """Take one line, which the server printed at a stage of its start."""
        if not _any_known().search(line):
            return
        message = brief(clean_line(line))
        for rule in _rules():
            if self._found is not None and rule.place >= self._found[0].place:
                return
            if rule.stages and (stage or STAGES[0]) not in rule.stages:
                continue
            for pattern in rule.patterns:
                if match := pattern.search(message):
                    self._found = rule, match.groupdict(), message.strip()[:LONGEST_EVIDENCE]
                    return

    def failure(self, response: PlanResponse | None = None, installed_vllm: str | None = None) -> Failure | None:
        """The ending that was found; with the plan that was started, also the change that cures it."""
        if self._found is None:
            return None
        rule, said, evidence = self._found
        values = _values(said, response, installed_vllm)
        cause = _PLACEHOLDER.sub(lambda match: str(values(match[1]) or match[1]), rule.cause)
        return Failure(rule.name, cause, evidence, _patch(rule, values, response))


def read_failure(lines: Iterable[str], response: PlanResponse | None = None) -> Failure | None:
    """The ending that a whole log tells of; None when it tells of none."""
    from wizard_tui.launch.startup_log import StartupLog

    log, reader = StartupLog(), FailureReader()
    for line in lines:
        log.feed(line)
        reader.feed(line, log.stage)
    return reader.failure(response, log.values.get("version"))


def _patch(rule: _Rule, values: Any, response: PlanResponse | None) -> Patch:
    if isinstance(rule.patch, str):
        # what makes it fit: the first suggestion of the plan
        report = response.feasibility if response is not None else None
        return report.suggestions[0].patch if report and not report.fits and report.suggestions else {}
    changes: dict[str, dict[str, Any]] = {}
    for path, template in rule.patch.items():
        name = _PLACEHOLDER.fullmatch(template)
        value = values(name[1]) if name else template
        if name and value is None:
            # what the change needs is not known
            return {}
        section, _, key = path.partition(".")
        changes.setdefault(section, {})[key] = value or None
    return changes


def _values(said: Mapping[str, str], response: PlanResponse | None, installed_vllm: str | None) -> Any:
    """What a placeholder stands for: a group of the pattern, or something worked out."""
    config = response.config if response is not None else None
    share = config.gpu_memory_utilization if config is not None else None
    if share is None and response is not None and response.memory.total:
        share = response.memory.budget / response.memory.total

    def value(name: str) -> str | None:
        if said.get(name) is not None:
            return str(said[name]).rstrip(".")
        if name == "port":
            return f"port {config.port or 8000}" if config is not None else "the port that was asked for"
        if name == "free port":
            return str(_free_port((config.port or 8000) if config is not None else 8000))
        if name == "half of asked":
            return str(max(256, int(said["asked"]) // 2)) if "asked" in said else None
        if name == "free share":
            free, total = float(said["free"]), float(said["total"])
            return f"{max(0.05, int(100 * free / total - 1) / 100):.2f}" if total else None
        if name == "higher utilization":
            return f"{min(0.97, share + STEP):.2f}" if share is not None and share < 0.97 else None
        if name == "lower utilization":
            return f"{max(0.1, share - STEP):.2f}" if share is not None else None
        if name == "installed version":
            return installed_vllm
        return None

    return value


def _free_port(taken: int) -> int:
    """The next port that nobody listens on."""
    for port in range(taken + 1, min(taken + 100, 65535)):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    return taken + 1


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    table = tomllib.loads(files(__package__).joinpath("failures.toml").read_text(encoding="utf-8"))
    return tuple(
        _Rule(
            place,
            row["name"],
            tuple(re.compile(pattern) for pattern in row["evidence"]),
            row["cause"],
            tuple(row.get("stage", ())),
            row.get("patch", {}),
        )
        for place, row in enumerate(table["failure"])
    )


@lru_cache(maxsize=1)
def _any_known() -> re.Pattern[str]:
    """One pattern without names for a quick no to most lines."""
    patterns = (pattern.pattern for rule in _rules() for pattern in rule.patterns)
    return re.compile("|".join(f"(?:{re.sub(r'[?]P<[a-z]+>', '?:', pattern)})" for pattern in patterns))
