"""The steps of the wizard: their order, their fields, and what the screen asks of any of them."""

from __future__ import annotations

import pytest
from textual.widget import Widget

from tests.tui.conftest import ORDER, opened, settled, text_of
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.left import FIRST
from wizard_tui.tui.screens import wizard as wizard_module
from wizard_tui.tui.steps.order import all_steps
from wizard_tui.tui.steps.step import Step, Steps, Wizard
from wizard_tui.tui.steps.welcome import WelcomeStep
from wizard_tui.tui.widgets.line_view import LineView


class Notes(Step):
    """A step with only what every step must have."""

    name, title = "notes", "Notes"

    def view(self, wizard: Wizard) -> Widget:
        """One line."""
        line = LineView(id=self.name)
        line.show([(("anything at all", ""),)])
        return line


def test_every_session_begins_on_the_first_step() -> None:
    assert all_steps().first.name == FIRST


def test_every_field_stands_on_one_step() -> None:
    steps = all_steps()
    assert sorted(path for step in steps for path in step.paths) == sorted(all_fields())
    for step in steps:
        for path in step.paths:
            assert steps.of(path) is step


def test_the_first_and_last_step_have_none_beyond_them() -> None:
    steps = all_steps()
    first, *_, last = steps
    assert steps.beside(first, -1) is first
    assert steps.beside(last, 1) is last
    assert [steps.beside(step, 1).name for step in steps] == [*ORDER[1:], ORDER[-1]]


@pytest.mark.parametrize("name", ["", FIRST, "a step of another version"])
def test_a_session_left_on_an_unknown_step_continues_after_the_first(name: str) -> None:
    assert all_steps().behind_the_first(name).name == ORDER[1]


async def test_a_step_of_any_kind_is_shown_passed_and_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wizard_module, "all_steps", lambda: Steps([WelcomeStep(), Notes(), *list(all_steps())[1:]]))
    async with opened() as pilot:
        await pilot.press("enter")
        await settled(pilot)
        assert "[2 Notes]" in text_of(pilot, "#stepper")
        assert pilot.app.screen.query_one("#notes").region.height > 0
        assert pilot.app.focused is None, "not the field of a step that is left"
        # a digit and a suggestion mean nothing to it, and Enter goes on
        await pilot.press("1", "enter")
        await settled(pilot)
        assert "[3 Model]" in text_of(pilot, "#stepper")
        await pilot.press("ctrl+k", *"tonotes", "enter")
        await settled(pilot)
        assert pilot.app.session.step == "notes"  # type: ignore[attr-defined]
