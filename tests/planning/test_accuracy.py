"""Where each number of a plan comes from, and its expected error."""

from __future__ import annotations

from dataclasses import replace

from tests.planning.conftest import facts, request
from wizard_tui.hardware.observed import Observation
from wizard_tui.models.load import metadata_from_count
from wizard_tui.planning.accuracy import provenance
from wizard_tui.planning.decide import decide
from wizard_tui.schemas.numbers import GIB, gib
from wizard_tui.schemas.outputs import Provenance


def test_provenance_from_a_config() -> None:
    decision = decide(request(), facts())
    rest = decision.estimate.overhead
    low, high = gib(decision.estimate.kv_low), gib(decision.estimate.kv_high)
    assert provenance(decision) == {
        "weights": Provenance(source="config", expected_error="±1.0 %"),
        "overhead": Provenance(
            source="formula with measured constants",
            expected_error=f"{gib(rest.low - rest.budgeted):+.2f} to {gib(rest.high - rest.budgeted):+.2f} GiB",
            note="activation peak, CUDA graphs and non-torch memory together",
        ),
        "kv_cache": Provenance(
            source="config",
            expected_error="exact for the given available memory",
            note=f"available: {low:.2f} to {high:.2f} GiB",
        ),
        "performance": Provenance(
            source="roofline with measured constants", expected_error="80 % of measured points lie in the ranges"
        ),
    }
    assert rest.low < rest.budgeted < rest.high


def test_provenance_from_a_parameter_count() -> None:
    guessed = replace(facts(), metadata=metadata_from_count("a/b", 8, "nothing is known of a/b"))
    found = provenance(decide(request(), guessed))
    assert found["weights"] == Provenance(source="parameter count", expected_error="±10.0 %")
    assert (found["kv_cache"].source, found["kv_cache"].expected_error) == ("parameter count", "a guess")


def test_provenance_from_starts_on_this_machine() -> None:
    box = facts()
    version = decide(request(), box).rules.version
    seen = Observation(box.gpus[0].name, version, "test/llama-8b", "TP 1", -GIB // 2, "2026-01-01")
    found = provenance(decide(request(), replace(box, observed=(seen,))))["overhead"]
    assert found.source == "formula with measured constants, corrected by this machine"
    assert found.note == ("activation peak, CUDA graphs and non-torch memory together; -0.50 GiB by 1 start seen here")


def test_starts_seen_here_are_counted() -> None:
    box = facts()
    version = decide(request(), box).rules.version
    rows = tuple(
        Observation(box.gpus[0].name, version, "test/llama-8b", "TP 1", GIB // 4, f"2026-01-0{day}") for day in (1, 2)
    )
    found = provenance(decide(request(), replace(box, observed=rows)))["overhead"]
    assert found.note.endswith("; +0.25 GiB by 2 starts seen here")
