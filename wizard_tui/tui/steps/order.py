"""Which steps there are, in their order: whoever adds a step adds its line here."""

from __future__ import annotations

from wizard_tui.tui.fields import FORMS
from wizard_tui.tui.steps.form import FormStep
from wizard_tui.tui.steps.launch import LaunchStep
from wizard_tui.tui.steps.review import ReviewStep
from wizard_tui.tui.steps.step import Steps
from wizard_tui.tui.steps.welcome import WelcomeStep


def all_steps() -> Steps:
    """New steps, for one wizard."""
    return Steps(
        [
            WelcomeStep(),
            *map(FormStep, FORMS),
            ReviewStep(),
            LaunchStep(),
        ]
    )
