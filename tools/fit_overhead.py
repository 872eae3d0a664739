"""Fit the measured terms of wizard_tui/planning/memory/overhead.toml to published start-up logs.

    python -m tools.fit_overhead [--write]

The facts are tests/data/startup_logs.jsonl: what vLLM printed of its own memory, term by term. Each constant stands for
one cause and is the median over the boots in which that cause alone explains the term; one row never decides. What has
fewer than four boots here keeps its published value, which is a median over more.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.accuracy import of_log, rows
from wizard_tui.engine.versions import rules_for
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.towers import patches
from wizard_tui.planning.decide import decide
from wizard_tui.planning.estimate import MemoryEstimate
from wizard_tui.planning.memory import overhead as terms
from wizard_tui.planning.memory.overhead import KIB, MIB
from wizard_tui.schemas.numbers import GIB

Sample = tuple[tuple[str, str], float]

TABLE = Path(terms.__file__).with_name("overhead.toml")
FEWEST_ROWS = 4


@dataclass(frozen=True)
class Fitted:
    """A constant of the table: its place, its value there, and the value from each boot."""

    table: str
    name: str
    now: float
    said: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of the boots, in the precision of the table; the table's value when there are too few."""
        if len(self.said) < FEWEST_ROWS:
            return self.now
        middle = statistics.median(self.said)
        return round(middle, 1) if isinstance(self.now, float) else round(middle)


def samples() -> Iterator[Sample]:
    """The value of each constant in each boot, by (table, name)."""
    for row in rows("startup_logs.jsonl"):
        estimate = decide(*of_log(row)).estimate
        metadata = load_model_metadata(row["model"])
        age = estimate.gpu.generation.overhead
        yield from _non_torch(row, estimate, age)
        yield from _peak(row, estimate, metadata)
        yield from _graphs(row, estimate, metadata, age)


def _is_second(row: dict[str, Any]) -> bool:
    return rules_for(row["version"]).model_runner_v2


def _non_torch(row: dict[str, Any], estimate: MemoryEstimate, age: str) -> Iterator[Sample]:
    """The rest of the term after subtracting all known parts."""
    if "non_torch_gib" not in row:
        return
    key = ("base", age) if _is_second(row) else ("first_runner", "base" if row["tp"] == 1 else "communicators")
    # vLLM counts data derived from weights during loading as weights
    known = estimate.overhead.non_torch - estimate.weights.after_loading
    yield key, _now(*key) + (row["non_torch_gib"] * GIB - known) / MIB


def _peak(row: dict[str, Any], estimate: MemoryEstimate, metadata: ModelMetadata) -> Iterator[Sample]:
    """The sampler's bytes where its dummy run sets the peak, and the encoder's where there is one."""
    settings = estimate.settings
    tokens, logits = settings.max_num_batched_tokens, settings.max_num_seqs * metadata.vocab_size
    beside = tokens * metadata.hidden_size * 2 + _now("first_runner", "beside_sampler") * MIB
    by_sampler = logits * _now("first_runner", "sampler_bytes") + beside
    if _is_second(row):
        if handed_on := patches(metadata):
            yield ("encoder", f"{handed_on}_kib"), row["peak_gib"] * GIB / tokens / KIB
    elif abs(estimate.overhead.activation_peak - by_sampler) < MIB:
        yield ("first_runner", "sampler_bytes"), (row["peak_gib"] * GIB - beside) / logits


def _graphs(row: dict[str, Any], estimate: MemoryEstimate, metadata: ModelMetadata, age: str) -> Iterator[Sample]:
    """The cost of a layer's graph, from models whose layers are all of one kind."""
    if not _is_second(row) or "graph_estimate_gib" not in row:
        return
    costs = terms.graph_costs(metadata)
    if len(set(costs)) == 1:
        key = (f"graph_kib.{age}", costs[0])
        yield key, _now(*key) * row["graph_estimate_gib"] * GIB / estimate.overhead.cuda_graphs


def fitted() -> list[Fitted]:
    """Every constant that the boots give a value for."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for key, value in samples():
        found[key].append(value)
    return [Fitted(table, name, _now(table, name), tuple(said)) for (table, name), said in sorted(found.items())]


def _now(table: str, name: str) -> float:
    place: Any = terms.facts()
    for part in table.split("."):
        place = place[part]
    if isinstance(place, list):
        place = next(change for change in reversed(place) if name in change)
    return float(place[name]) if isinstance(place[name], float) else int(place[name])


def write(constants: list[Fitted]) -> None:
    """Replace the old values with the fitted ones; in a list of changes, in the newest entry that has the name."""
    text = TABLE.read_text(encoding="utf-8")
    for constant in constants:
        heads = [match.end() for match in re.finditer(rf"^\[+{re.escape(constant.table)}\]+$", text, re.MULTILINE)]
        for start in reversed(heads):
            end = text.find("\n[", start)
            part = text[start : end if end >= 0 else len(text)]
            changed, times = re.subn(rf"(?m)^{constant.name} = .*$", f"{constant.name} = {constant.value}", part)
            if times:
                text = text[:start] + changed + text[start + len(part) :]
                break
    TABLE.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the fitted values into the table")
    chosen = parser.parse_args()
    constants = fitted()
    print(f"| {'constant':<32} |  table | fitted | boots | from .. to |")
    print(f"| {'-' * 32} | -----: | -----: | ----: | :--------- |")
    for constant in constants:
        name = f"{constant.table}.{constant.name}"
        spread = f"{min(constant.said):.4g} .. {max(constant.said):.4g}"
        print(f"| {name:<32} | {constant.now:>6g} | {constant.value:>6g} | {len(constant.said):>5} | {spread} |")
    if chosen.write:
        write(constants)


if __name__ == "__main__":
    main()
