"""Two lines at the bottom of a narrow screen: the bar, and the verdict with its main number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.widgets.feasibility import badge_of
from wizard_tui.tui.widgets.line_view import Line, LineView, cut
from wizard_tui.tui.widgets.vram_bar import bar, claims_of, parts_of

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
        if stale is not None:
            verdict: Line = ((cut(f"! not applied: {stale}", width), "warn"),)
        else:
            word, style = badge_of(response)
            room = width - len(word) - 3
            verdict = ((f" {word} ", f"{style}-badge"), (f" {cut(response.feasibility.verdict, room)}", style))
        self.show([bar(parts_of(claims_of(response)), width), verdict])
