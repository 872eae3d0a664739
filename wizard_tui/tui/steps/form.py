"""The steps that are forms: one for each entry of `FORMS`."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from textual.widget import Widget

from wizard_tui.tui.fields import FORMS, fields_of
from wizard_tui.tui.steps.step import Step, Wizard
from wizard_tui.tui.widgets.box_facts import BoxFacts
from wizard_tui.tui.widgets.form import Form
from wizard_tui.tui.widgets.model_facts import ModelFacts

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session

# facts about a form's subject stand beneath it
_FEET = {"model": ModelFacts, "hardware": BoxFacts}


class FormStep(Step):
    """Fields of the request."""

    def __init__(self, name: str) -> None:
        """`name`: of an entry of `FORMS`."""
        self.name = name
        self.title, self._headings = FORMS[name]

    @cached_property
    def paths(self) -> tuple[str, ...]:  # type: ignore[override]
        """All its fields. This loads the schema, so it must wait until after the first frame."""
        return tuple(field.path for field in fields_of(self.name))

    def view(self, wizard: Wizard) -> Form:
        """The form without its rows."""
        foot = _FEET.get(self.name)
        self._form = Form(self._headings, id=self.name, on_edit=wizard.edited, foot=foot() if foot else None)
        return self._form

    async def build(self, wizard: Wizard) -> None:
        """Mount the rows."""
        await self._form.build(wizard.session)

    def shown(self, session: Session) -> None:
        """Where each text is from, what the plan made of empty fields, and what is wrong."""
        self._form.show(session)

    def focus_on(self, path: str | None = None) -> Widget | None:
        """The field, else the first one."""
        return self._form.editor(path)

    def set_texts(self, session: Session, paths: Collection[str]) -> None:
        """Put the texts into the rows."""
        self._form.set_texts(session, paths)
