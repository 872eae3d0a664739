"""The first step: what was found in the box, and what to start with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.left import FIRST
from wizard_tui.tui.steps.step import Step, Wizard
from wizard_tui.tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session


class WelcomeStep(Step):
    """Says what is known, and offers sessions that were left and models that fit."""

    name, title = FIRST, "Welcome"

    def view(self, wizard: Wizard) -> Welcome:
        """What can be said before anything is known."""
        self._view = Welcome(
            id=self.name,
            on_take=wizard.take_model,
            title_of=lambda step: wizard.steps.behind_the_first(step).title,
        )
        return self._view

    def shown(self, session: Session) -> None:
        """What the driver said, what the wizard starts with, and what else would fit."""
        self._view.show(session)

    def focus_on(self, path: str | None = None) -> Welcome:
        """The whole step."""
        return self._view

    def take(self, index: int) -> None:
        """The model of that number."""
        self._view.action_take(index)
