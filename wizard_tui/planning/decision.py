"""What was decided for a request."""

from __future__ import annotations

from typing import NamedTuple

from wizard_tui.engine.versions import VersionRules
from wizard_tui.planning.estimate import MemoryEstimate
from wizard_tui.resolver import Facts
from wizard_tui.schemas.inputs import PlanRequest


class Decision(NamedTuple):
    """What was decided, what it costs, and what kept it from being better. `missed` names the goals missed at the
    planned concurrency: `ttft`, `tpot`."""

    request: PlanRequest
    facts: Facts
    estimate: MemoryEstimate
    rules: VersionRules
    problem: str | None = None
    idle_gpus: int = 0
    missed: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """The plan can be run as it stands."""
        return self.problem is None and self.estimate.fits
