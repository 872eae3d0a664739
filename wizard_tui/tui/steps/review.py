"""The step before the last: the plan once more, beside other ways to serve the same workload."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.steps.step import Step, Wizard
from wizard_tui.tui.widgets.review import Review

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session


class ReviewStep(Step):
    """Flags with their reasons, memory, the command, other ways and other boxes."""

    name, title = "review", "Review"

    def view(self, wizard: Wizard) -> Review:
        """Empty until it is visited."""
        self._view = Review(id=self.name, on_take=wizard.patch)
        return self._view

    def shown(self, session: Session) -> None:
        """This step alone compares with other ways: that takes a hundred plans."""
        if session.response is not None:
            self._view.show_plan(session.response, session.alternatives(), session.boxes(), session.stale)

    def focus_on(self, path: str | None = None) -> Review:
        """The whole step."""
        return self._view

    def take(self, index: int) -> None:
        """The other way of that number."""
        self._view.action_take(index)
