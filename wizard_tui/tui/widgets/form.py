"""One step's fields, built on the first visit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.widget import Widget

from wizard_tui.tui.fields import Field, fields_under
from wizard_tui.tui.widgets.field_row import FieldRow
from wizard_tui.tui.widgets.line_view import LineView
from wizard_tui.tui.widgets.quiet import QuietScroll

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session


class Foot(LineView):
    """Facts about the subject of a form, beneath its last row."""

    def show_facts(self, session: Session) -> None:
        """Draw what is known by now."""
        raise NotImplementedError


class Form(QuietScroll, can_focus=False):
    """A column of field rows that shows the session's texts."""

    def __init__(
        self,
        headings: Sequence[str],
        *,
        id: str,  # noqa: A002
        on_edit: Callable[[str, str], None],
        foot: Foot | None = None,
    ) -> None:
        """`foot` stands beneath the last row; `on_edit` gets the path of a field and its text, after every key."""
        super().__init__(id=id, classes="form")
        self._foot = foot
        self._headings = headings
        self._on_edit = on_edit
        self._rows: dict[str, FieldRow] = {}
        self._building = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """The foot alone; the rows come with the first visit."""
        if self._foot is not None:
            yield self._foot

    async def build(self, session: Session) -> None:
        """Mount the rows, once. A second caller waits until that is done."""
        async with self._building:
            if self._rows:
                return
            children: list[Widget] = []
            for title in self._headings:
                children.append(heading := LineView(classes="heading"))
                heading.show([((title, "accent"),)])
                for field in fields_under(title):
                    row = FieldRow(field, session.texts[field.path], self._on_edit, _suggestions(field))
                    children.append(row)
                    self._rows[field.path] = row
            await self.mount_all(children, before=self._foot)

    def show(self, session: Session) -> None:
        """Bring the rows, which exist from the first visit on, and the foot up to date."""
        if self._foot is not None:
            self._foot.show_facts(session)
        settled = session.settled()
        for path, row in self._rows.items():
            is_wrong = session.problem_of(path) is not None
            row.show_state(session.origins[path], settled.get(path, ""), is_wrong=is_wrong)

    def set_texts(self, session: Session, paths: Collection[str]) -> None:
        """Take over texts that were not typed here."""
        for path in self._rows.keys() & set(paths):
            self._rows[path].set_text(session.texts[path])

    def editor(self, path: str | None) -> Widget | None:
        """Where a field is edited, the first when none is named; None before the first visit."""
        row = self._rows.get(path) if path else next(iter(self._rows.values()), None)
        return row.editor if row is not None else None


def _suggestions(field: Field) -> tuple[str, ...]:
    if field.known == "models":
        from wizard_tui.models import catalog

        return catalog.ids()
    if field.known == "gpus":
        from wizard_tui.hardware.catalog import all_gpus

        return tuple(gpu.name for gpu in all_gpus())
    return ()
