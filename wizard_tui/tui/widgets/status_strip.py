"""Two lines at the bottom of a narrow screen: the bar, and the verdict with its main number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.widgets.line_view import LineView
from wizard_tui.tui.widgets.vram_bar import bar, parts_of

if TYPE_CHECKING:
    from wizard_tui.schemas.outputs import PlanResponse


class StatusStrip(LineView):
    """Stands in for the panels where there is no room for them."""

    def show_waiting(self, sentence: str) -> None:
        """No plan yet."""
        self.show([(("", ""),), ((f"… {sentence}", "dim"),)])

    def show_plan(self, response: PlanResponse, stale: str | None) -> None:
        """Bar and verdict."""
        width = max(20, self.size.width)
        report = response.feasibility
        if stale is not None:
            second = (f"! not applied: {stale}", "warn")
        elif report.fits:
            mark, style = ("OK", "good") if report.oom_risk == "low" else ("TIGHT", "warn")
            second = (f"{mark} {report.verdict}", style)
        else:
            second = (f"NO {report.verdict}", "bad")
        self.show([bar(parts_of(response.memory), width), (second,)])
