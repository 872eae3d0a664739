"""One step's fields, built on the first visit."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import VerticalScroll

from wizard_tui.tui.fields import Field
from wizard_tui.tui.session import MODEL, Session
from wizard_tui.tui.widgets.field_row import FieldRow


class Form(VerticalScroll, can_focus=False):
    """A column of field rows that shows the session's texts."""

    def __init__(self, fields: Sequence[Field], session: Session, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id, classes="form")
        self._fields = list(fields)
        self._session = session
        self._built = False

    def build(self) -> None:
        """Mount the rows, once."""
        if self._built:
            return
        self._built = True
        rows = [
            FieldRow(field, self._session.texts[field.path], self._suggestions(field)) for field in self._fields
        ]
        self.mount_all(rows)
        self.call_after_refresh(self.show)

    def show(self) -> None:
        """Bring all rows up to date with the session."""
        session = self._session
        for row in self.query(FieldRow):
            path = row.field.path
            if row.is_mounted:
                row.show(session.texts[path], session.origins[path], session.errors.get(path))

    def focus_field(self, path: str | None) -> None:
        """Put the focus on a field, the first when none is named."""
        for row in self.query(FieldRow):
            if path in (None, row.field.path):
                row.editor.focus()
                return

    def _suggestions(self, field: Field) -> tuple[str, ...]:
        if field.path == MODEL:
            from wizard_tui.models.catalog import catalog_ids

            return catalog_ids()
        if field.path == "hardware.gpu":
            from wizard_tui.hardware.catalog import all_gpus

            return tuple(gpu.name for gpu in all_gpus())
        return ()
