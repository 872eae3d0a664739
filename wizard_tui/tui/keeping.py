"""Sessions on disk: one at a time is saved, and earlier ones are offered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wizard_tui.tui.left import Left
    from wizard_tui.tui.session import Session
    from wizard_tui.tui.state_file import StateFile


class Keeper:
    """Saves the session of a wizard. `problem` says why saving fails and what would help; empty when it works."""

    def __init__(self, file: StateFile | None, *, offers: bool = True) -> None:
        """`file`: None keeps nothing. `offers`: whether earlier sessions are looked for."""
        self._file = file
        self._offers = offers
        self.problem = ""

    def new_session(self) -> Session:
        """A session that offers to continue the newest earlier one, and names the others."""
        from wizard_tui.tui.session import Session

        session = Session()
        found = self._left()
        while found and self._file is not None:
            left = found.pop(0)
            # a wizard that started at the same moment may hold it
            if (saved := self._file.take(left.name)) is not None:
                session.offer(saved.state, left.saved_at, left.name)
                break
        session.others_left = found
        return session

    def save(self, session: Session) -> None:
        """Write the session if it holds anything; else find out whether it could be written."""
        from wizard_tui.tui.state_file import NotSavedError

        if self._file is None:
            return
        try:
            if session.is_worth_keeping or self._file.is_begun:
                self._file.save(session.saved(), instead_of=session.goes_on)
            else:
                self._file.try_out()
        except NotSavedError as error:
            self.problem = str(error)
        else:
            self.problem = ""

    def change_to(self, left: Left, session: Session) -> str:
        """Turn `session` into an earlier one; its old content stays on disk. Returns why if that fails."""
        if self._file is None:
            return "sessions are not kept"
        self.save(session)
        if self.problem and session.is_worth_keeping:
            return f"this session would be lost, as it cannot be saved: {self.problem}"
        saved = self._file.take(left.name)
        if saved is None:
            if session.goes_on:
                self._file.take(session.goes_on)
            return "another wizard goes on with that session"
        self._file.set_aside()
        session.change_to(saved.state, left)
        session.others_left = self._left()
        return ""

    def _left(self) -> list[Left]:
        """Sessions of wizards that no longer run, the newest first, without those that this version cannot read."""
        from wizard_tui.tui.left import Left

        found = []
        for saved in self._file.left() if self._file is not None and self._offers else ():
            try:
                found.append(Left.of(saved.state, datetime.fromtimestamp(saved.saved_at).astimezone(), saved.name))
            except ValueError:
                continue
        return found
