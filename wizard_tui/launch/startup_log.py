"""Reads what vLLM prints while it starts, line by line, for versions 0.6 to 0.33.

The message texts are data (`log_patterns.json`). Lines are matched on their message alone, so that time stamps, process
names, colours and prefixes of containers do not matter. Memory use does not grow with the log.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from wizard_tui.tables import read_table

STAGES = ("load", "compile", "profile", "kv cache", "graphs", "warm-up", "ready")

LINE_LIMIT = 1 << 16
"""Longer lines are cut: no message is longer, and a log may be binary."""

LARGEST_FIGURE = 1 << 53
"""No server prints a number this large, and from here on a float is not exact."""

TEXT_FIELDS = frozenset({"version", "arguments", "architecture", "attention_backend", "address"})
FULLEST_RANK = frozenset({"weights_gib"})
LEAST_RANK = frozenset({"available_kv_gib", "num_gpu_blocks"})

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


@dataclass
class StartupLog:
    """What was read so far. `values` holds numbers and texts by the names in `log_patterns.json`, GiB as printed.

    Of figures that every worker prints, the fullest rank is kept for weights and the emptiest for the cache.
    """

    values: dict[str, Any] = field(default_factory=dict)
    stage: str | None = None
    lines: int = 0

    @property
    def ready(self) -> bool:
        """The server has said that it answers."""
        return self.stage == "ready"

    @property
    def arguments(self) -> dict[str, Any]:
        """The non-default arguments as the server printed them; empty when it did not, or not as plain data."""
        try:
            parsed = ast.literal_eval(self.values.get("arguments", "{}"))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def kv_cache_tokens(self) -> int | None:
        """Size of the KV cache in tokens; early versions print blocks (of 16 tokens unless set) instead. None where
        neither is printed as a possible number."""
        tokens = figure(self.values.get("kv_cache_tokens"))
        if tokens is None and (blocks := figure(self.values.get("num_gpu_blocks"))) is not None:
            # an argument may be anything, and figures that a server states have no limit
            size = figure(self.arguments.get("block_size") or self.values.get("block_size") or 16)
            tokens = None if size is None else figure(blocks * size)
        return None if tokens is None else int(tokens)

    def feed(self, line: str) -> str | None:
        """Take one line; its stage when it holds something known, else None."""
        self.lines += 1
        message = clean_line(line)
        any_known, patterns = _patterns()
        if not any_known.search(message):
            return None
        found = None
        # one line may carry several facts: tokens and concurrency share a line since 0.28
        for stage, names, pattern in patterns:
            if (match := pattern.search(message)) is None:
                continue
            for name, text in zip(names, match.groups(), strict=True):
                self._keep(name, text)
            found = stage
            if self.stage is None or STAGES.index(stage) > STAGES.index(self.stage):
                self.stage = stage
        return found

    def _keep(self, name: str, text: str) -> None:
        value: Any = text if name in TEXT_FIELDS else _number(text)
        if value is None:
            return
        old = self.values.get(name)
        if old is not None and name in FULLEST_RANK:
            value = max(old, value)
        elif old is not None and name in LEAST_RANK:
            value = min(old, value)
        self.values[name] = value


def clean_line(line: str) -> str:
    """A line without terminal escapes and control characters, cut to `LINE_LIMIT`; the last state of progress bars."""
    text = _ESCAPE.sub("", line[:LINE_LIMIT].rstrip("\r\n")).rsplit("\r", 1)[-1]
    return "".join(char for char in text if char.isprintable() or char == "\t")


_HEADER = re.compile(
    r"^(?:\((?P<process>[^ )]+) pid=\d+\) )?(?P<level>[A-Z]+) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\]|\S+\]) ?"
)


def brief(line: str) -> str:
    """A clean line whose header is cut down to the process and, unless it is INFO, the level."""
    match = _HEADER.match(line)
    if match is None:
        return line
    process = f"{match['process']}: " if match["process"] else ""
    level = "" if match["level"] == "INFO" else f"{match['level']} "
    return f"{level}{process}{line[match.end() :]}"


def is_told_in_passing(line: str) -> bool:
    """Whether vLLM itself marks a clean line as plain information, so that it cannot tell of a failure."""
    match = _HEADER.match(line)
    return match is not None and match["level"] in ("INFO", "DEBUG")


def _number(text: str) -> float | int | None:
    """A number as vLLM prints it; None for a text that only looks like one, as a log may hold anything."""
    plain = text.replace(",", "")
    try:
        return figure(float(plain) if "." in plain else int(plain))
    except ValueError:
        return None


def figure(stated: object) -> float | int | None:
    """`stated` where it is a number that a server can mean; None for anything else and for one too large."""
    if isinstance(stated, bool) or not isinstance(stated, (int, float)):
        return None
    return stated if abs(stated) < LARGEST_FIGURE else None


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]]:
    """One pattern that matches any of them, to rule out most lines quickly; then each with its stage and names."""
    rows = read_table(__package__, "log_patterns.json")["patterns"]
    any_known = re.compile("|".join(f"(?:{row['regex']})" for row in rows))
    return any_known, tuple((row["stage"], tuple(row["fields"]), re.compile(row["regex"])) for row in rows)
