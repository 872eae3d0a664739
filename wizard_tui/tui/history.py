"""The edits of a session, for undo and redo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["default", "detected", "suggested", "yours"]
UNDO_LIMIT = 200


@dataclass(frozen=True)
class Edit:
    """One change of one or more fields: path -> (text, origin) before and after."""

    before: Mapping[str, tuple[str, Origin]]
    after: Mapping[str, tuple[str, Origin]]

    def goes_on(self, last: Edit) -> bool:
        """Whether both were typed into the same field."""
        typed = all(origin == "yours" for edit in (self, last) for _, origin in edit.after.values())
        return typed and len(self.after) == 1 and self.after.keys() == last.after.keys()


@dataclass
class History:
    """Edits that were made, and edits that were undone."""

    _done: list[Edit] = field(default_factory=list)
    _undone: list[Edit] = field(default_factory=list)

    def remember(self, edit: Edit) -> bool:
        """Keep an edit; False where it goes on with the last one: keys typed into one field in a row are one edit."""
        goes_on = bool(self._done) and not self._undone and edit.goes_on(self._done[-1])
        if goes_on:
            self._done[-1] = Edit(self._done[-1].before, edit.after)
        else:
            self._done.append(edit)
        self._undone.clear()
        del self._done[:-UNDO_LIMIT]
        return not goes_on

    def back(self) -> Mapping[str, tuple[str, Origin]]:
        """What the fields of the last edit held before it; empty when there is none."""
        return self._move(self._done, self._undone).before

    def forward(self) -> Mapping[str, tuple[str, Origin]]:
        """What the fields of the edit that was last taken back held after it; empty where there is none."""
        return self._move(self._undone, self._done).after

    @staticmethod
    def _move(source: list[Edit], target: list[Edit]) -> Edit:
        if not source:
            return Edit({}, {})
        target.append(source.pop())
        return target[-1]
