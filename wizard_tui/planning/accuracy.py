"""Where each number came from, and how far it may be off."""

from __future__ import annotations

from wizard_tui.planning.decision import Decision
from wizard_tui.planning.doubts import speed_doubts
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import Provenance


def provenance(decision: Decision) -> dict[str, Provenance]:
    """Source and expected error (80 % band) of the weights, the rest, the cache and the speed."""
    memory = decision.estimate
    rest = memory.overhead
    seen = memory.observed
    low, high = gib(rest.low - rest.budgeted), gib(rest.high - rest.budgeted)
    guessed = memory.weights.source == "parameter count"
    starts = f"{gib(seen.more_bytes):+.2f} GiB by {seen.starts} start{'s' if seen.starts > 1 else ''} seen here"
    return {
        "weights": Provenance(
            source=memory.weights.source, expected_error=f"±{100 * memory.weights.relative_error:.1f} %"
        ),
        "overhead": Provenance(
            source="formula with measured constants" + (", corrected by this machine" if seen.starts else ""),
            expected_error=f"{low:+.2f} to {high:+.2f} GiB",
            note="activation peak, CUDA graphs and non-torch memory together" + (f"; {starts}" if seen.starts else ""),
        ),
        "kv_cache": Provenance(
            source="parameter count" if guessed else "config",
            expected_error="a guess" if guessed else "exact for the given available memory",
            note=f"available: {gib(memory.kv_low):.2f} to {gib(memory.kv_high):.2f} GiB",
        ),
        "performance": Provenance(
            source="roofline with measured constants",
            expected_error="not known: no such GPU was measured"
            if speed_doubts(memory.gpu)
            else "80 % of measured points lie in the ranges",
        ),
    }
