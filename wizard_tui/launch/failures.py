"""Why did it end? The known endings of a start, by what the log says: cause, evidence, and a change that cures it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

from wizard_tui.launch.calibrate import corrected
from wizard_tui.launch.machine import DEFAULT_PORT, LOCALHOST, free_port
from wizard_tui.launch.startup_log import STAGES, StartupLog, brief, clean_line, is_told_in_passing
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.suggest import patched, suggestions
from wizard_tui.tables import read_table

STEP = 0.03
LEAST_BATCHED_TOKENS = 512
LONGEST_EVIDENCE = 400
_PLACEHOLDER = re.compile(r"\{([^}]+)\}")

Patch: TypeAlias = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Failure:
    """One ending. `cause` is a plain sentence, `evidence` the line that says so, `patch` changes the request
    (section -> field -> value, None leaves it to the planner) and is empty where no such change can help."""

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
    cures: tuple[Mapping[str, str | bool] | str, ...]


class FailureReader:
    """Reads a log line by line and keeps the most telling ending; memory does not grow with the log."""

    def __init__(self) -> None:
        self._found: tuple[_Rule, Mapping[str, str], str] | None = None

    def feed(self, line: str, stage: str | None) -> None:
        """Take one line, which the server printed at a stage of its start."""
        if not _any_known().search(line):
            return
        clean = clean_line(line)
        if is_told_in_passing(clean):
            return
        message = brief(clean)
        for rule in _rules():
            if self._found is not None and rule.place >= self._found[0].place:
                return
            if rule.stages and (stage or STAGES[0]) not in rule.stages:
                continue
            for pattern in rule.patterns:
                if match := pattern.search(message):
                    self._found = rule, match.groupdict(), message.strip()[:LONGEST_EVIDENCE]
                    return

    def failure(self, decision: Decision | None = None, log: StartupLog | None = None) -> Failure | None:
        """The ending that was found; with the plan that was started, also the change that cures it: the rule's first
        cure that can be worked out from that plan and from the log."""
        if self._found is None:
            return None
        rule, said, evidence = self._found
        known = _Known(said, decision, log or StartupLog())
        cause = _PLACEHOLDER.sub(lambda match: known.value(match[1]) or match[1], rule.cause)
        patches = (known.what_fits() if isinstance(cure, str) else known.patch(cure) for cure in rule.cures)
        return Failure(rule.name, cause, evidence, next((patch for patch in patches if patch), {}))


class StartReader:
    """What a server prints while it starts, line by line: its figures in `log`, and why it ended."""

    def __init__(self) -> None:
        self.log = StartupLog()
        self._endings = FailureReader()

    def feed(self, line: str) -> None:
        """Take one line."""
        self.log.feed(line)
        self._endings.feed(line, self.log.stage)

    def failure(self, decision: Decision | None = None) -> Failure | None:
        """Why it ended, with the change of the plan that cures it; None when no line shows an ending."""
        return self._endings.failure(decision, self.log)


@dataclass(frozen=True)
class _Known:
    """What a placeholder can stand for: a group of the pattern, or a value from the plan or the log."""

    said: Mapping[str, str]
    decision: Decision | None
    log: StartupLog

    def what_fits(self) -> Patch:
        """The first change that makes the plan fit, once it is corrected by what the log showed."""
        if self.decision is None or (seen := corrected(self.decision, self.log)).fits:
            return {}
        return next((one.patch for one in suggestions(seen)), {})

    def patch(self, cure: Mapping[str, str | bool]) -> Patch:
        """A change of the request; empty when a value that it needs is not known, or when it changes nothing."""
        changes: dict[str, dict[str, Any]] = {}
        for path, template in cure.items():
            name = _PLACEHOLDER.fullmatch(template) if isinstance(template, str) else None
            value = self.value(name[1]) if name else template
            if value is None:
                return {}
            section, _, key = path.partition(".")
            changes.setdefault(section, {})[key] = value or None
        request = self.decision.request if self.decision is not None else None
        return {} if request is not None and patched(request, changes) == request else changes

    def value(self, name: str) -> str | None:
        """The text for a placeholder; None when it is not known."""
        if self.said.get(name) is not None:
            return str(self.said[name]).rstrip(".")
        if name == "half of asked":
            return str(max(256, int(self.said["asked"]) // 2)) if self.said.get("asked") else None
        if name == "free share":
            free, total = float(self.said["free"]), float(self.said["total"])
            return f"{max(0.05, int(100 * free / total - 1) / 100):.2f}" if total else None
        if name == "installed version":
            return self.log.values.get("version")
        return self._planned(name)

    def _planned(self, name: str) -> str | None:
        if self.decision is None:
            return "the port that was asked for" if name == "port" else None
        settings, port = self.decision.estimate.settings, self.decision.request.policy.port or DEFAULT_PORT
        share = settings.gpu_memory_utilization
        if name == "port":
            return f"port {port}"
        if name == "free port":
            return str(free_port(self.decision.request.policy.host or LOCALHOST, port))
        if name == "higher utilization":
            return f"{min(0.97, share + STEP):.2f}" if share < 0.97 else None
        if name == "lower utilization":
            return f"{max(0.1, share - STEP):.2f}"
        if name == "fewer batched tokens":
            tokens = settings.max_num_batched_tokens
            return str(tokens // 2) if tokens >= 2 * LEAST_BATCHED_TOKENS else None
        if name == "fewer sequences":
            return str(settings.max_num_seqs // 2) if settings.max_num_seqs > 1 else None
        if name == "batched sequences":
            return str(min(settings.max_num_seqs, settings.max_num_batched_tokens))
        return None


@lru_cache(maxsize=1)
def _rules() -> tuple[_Rule, ...]:
    table = read_table(__package__, "failures.toml")
    return tuple(
        _Rule(
            place,
            row["name"],
            tuple(re.compile(pattern) for pattern in row["evidence"]),
            row["cause"],
            tuple(row.get("stage", ())),
            tuple(row.get("cures", ())),
        )
        for place, row in enumerate(table["failure"])
    )


@lru_cache(maxsize=1)
def _any_known() -> re.Pattern[str]:
    """One pattern without named groups that quickly rules out most lines."""
    patterns = (pattern.pattern for rule in _rules() for pattern in rule.patterns)
    return re.compile("|".join(f"(?:{re.sub(r'[?]P<[a-z]+>', '?:', pattern)})" for pattern in patterns))
