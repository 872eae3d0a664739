"""The first screen: what was found in the box, which models fit there, and a start that works."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.fields import MODEL
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session

# what the column of the forms leaves at 120 columns
COLUMNS = 46
PROPOSALS = 8
_TITLE: Line = (("From four forms to a vLLM server.", "strong"),)
_EMPTY: Line = (("", ""),)
_MACHINE: Line = (("This machine", "accent"),)
_ASKING: Line = (("  asking the driver …", "dim"),)
_START: Line = (("Start", "accent"),)
_GO_ON: Line = (("Enter", "key"), (" goes on; the command is always ready.", ""))
_KEYS: Line = (
    ("F8", "key"),
    (" copies, ", ""),
    ("F1", "key"),
    (" lists the keys, ", ""),
    ("F12", "key"),
    (" the words.", ""),
)


class Welcome(VerticalScroll, can_focus=True):
    """Says what is known; Enter goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(str(number), f"take({number - 1})", f"take model {number}", show=False)
        for number in range(1, PROPOSALS + 1)
    ]

    @dataclass
    class Proposed(Message):
        """Which models fit, the largest first."""

        fitting: list[str]

    @dataclass
    class Taken(Message):
        """One of the models that fit was chosen."""

        model_id: str

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._asked_for: object = None
        self._shown: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """One block of lines, drawn before anything is known."""
        yield LineView(id="welcome-lines")

    def on_mount(self) -> None:
        """What can be said before the session is loaded, in the places where the rest will come."""
        self._view.show([_TITLE, _EMPTY, _MACHINE, _ASKING, _EMPTY, _START, _EMPTY, _EMPTY, _EMPTY, _GO_ON, _KEYS])

    def propose(self, session: Session) -> None:
        """Find out which models fit, once for what the driver said."""
        if session.detected is not None and self._asked_for is not session.detected:
            self._asked_for = session.detected
            self._propose(session)

    @work(exclusive=True, group="propose")
    async def _propose(self, session: Session) -> None:
        # one plan each; keys go between them
        from wizard_tui.models import catalog

        fitting: list[str] = []
        for model_id in catalog.starters():
            if session.would_fit(model_id):
                fitting.append(model_id)
            await asyncio.sleep(0)
        self.post_message(self.Proposed(fitting))

    def action_take(self, index: int) -> None:
        """Take one of the models on screen."""
        if index < len(self._shown):
            self.post_message(self.Taken(self._shown[index]))

    def show(self, session: Session) -> None:
        """Draw what the driver said, what the wizard starts with, and what else would fit."""
        self._shown = session.proposals[:PROPOSALS]
        lines: list[Line] = [
            _TITLE,
            _EMPTY,
            _MACHINE,
            *_found(session),
            _EMPTY,
            _START,
            (("  model  ", "dim"), (session.texts[MODEL] or "not chosen", "")),
            (("  GPU    ", "dim"), (_gpu_words(session), "")),
            _EMPTY,
            *_how_to_go_on(session),
            _KEYS,
            *_also_fitting(session, self._shown),
        ]
        self._view.show(lines)

    @property
    def _view(self) -> LineView:
        return self.query_one("#welcome-lines", LineView)


def _found(session: Session) -> list[Line]:
    if session.detected is None:
        return [_ASKING]
    if not session.detected:
        said = session.problems or ("no GPU was found; plan for any box by its name",)
        return [
            line for sentence in said for line in wrapped(sentence, COLUMNS, style="dim", mark=("  ", ""), indent="  ")
        ]
    lines: list[Line] = []
    for (name, total), group in groupby(session.detected, key=lambda gpu: (gpu.name, gpu.total_bytes)):
        cards = list(group)
        used = sum(card.used_bytes for card in cards)
        tail = f", {gib(used):.1f} GiB in use" if used else ""
        lines.append(((f"  {len(cards)} x {name}, {gib(total):.2f} GiB each{tail}", ""),))
    if session.installed_vllm:
        lines.append(((f"  vLLM {session.installed_vllm} is installed", ""),))
    return lines


def _how_to_go_on(session: Session) -> list[Line]:
    if session.left is None:
        return [_GO_ON]
    at = f"{session.left.saved_at:%d %b %H:%M}"
    return [
        ((f"Left on {at} at step {session.left.step}:", "strong"),),
        ((f"  {session.left.model or 'no model yet'}", "strong"),),
        (("Enter", "key"), (" continues there, ", ""), ("^l", "key"), (" starts anew.", "")),
    ]


def _also_fitting(session: Session, models: tuple[str, ...]) -> list[Line]:
    if not models:
        return []
    count = len(session.proposals)
    many = f"{count} well-known models fit" if count > 1 else "One well-known model fits"
    lines: list[Line] = [_EMPTY, ((many, "accent"), ("  a digit takes one", "dim"))]
    for number, model_id in enumerate(models, 1):
        lines.append(((f"  {number} ", "key"), (model_id, "strong" if model_id == session.texts[MODEL] else "")))
    return lines


def _gpu_words(session: Session) -> str:
    name, count = session.texts["hardware.gpu"], session.texts["hardware.gpus"]
    return f"{count} x {'this machine' if name == 'auto' else name}"
