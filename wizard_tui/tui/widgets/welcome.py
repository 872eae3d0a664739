"""The first screen: what was found in the box, which models fit there, and a start that works."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.fields import MODEL
from wizard_tui.tui.widgets.line_view import Click, Line, LineView, cut, wrapped
from wizard_tui.tui.widgets.quiet import QuietScroll

if TYPE_CHECKING:
    from wizard_tui.tui.session import Session

# what the column of the forms leaves at 120 columns
COLUMNS = 50
PROPOSALS = 8
# beside the newest, this many earlier sessions are named, each with its own letter
OTHERS, OTHERS_HEAD = "abc", 2
# from here on a form and the plan are both visible, or a whole form
ROOMY = (80, 24)
_TITLE: Line = (("From four forms to a vLLM server.", "strong"),)
_EMPTY: Line = (("", ""),)
_MACHINE: Line = (("This machine", "accent"),)
_ASKING: Line = (("  asking the driver …", "dim"),)
_START: Line = (("Start", "accent"),)
_GO_ON: Line = (("Enter", "key"), (" goes on; five times gives the command.", ""))
_KEYS: Line = (
    ("F8", "key"),
    (" copies, ", ""),
    ("F1", "key"),
    (" lists the keys, ", ""),
    ("F12", "key"),
    (" the words.", ""),
)


class Welcome(QuietScroll, can_focus=True):
    """Says what is known; Enter goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "take(0)", "take the model of that number", key_display=f"1 to {PROPOSALS}"),
        *(Binding(str(number), f"take({number - 1})", system=True) for number in range(2, PROPOSALS + 1)),
        Binding("up", "choose(-1)", "the model above", key_display="↑ ↓"),
        Binding("down", "choose(1)", "the model below", system=True),
        *(
            Binding(letter, f"app.go_on_with({at})", f"go on with the session marked {letter}", system=at > 0)
            for at, letter in enumerate(OTHERS)
        ),
    ]

    def __init__(
        self,
        *,
        id: str,  # noqa: A002
        on_take: Callable[[str], None],
        title_of: Callable[[str], str],
    ) -> None:
        """`on_take` gets the model chosen from those that fit; `title_of` names the step on which an earlier session
        continues."""
        super().__init__(id=id)
        self._on_take = on_take
        self._title_of = title_of
        self._shown: tuple[str, ...] = ()
        self._taken = ""

    def compose(self) -> ComposeResult:
        """One block of lines, drawn before anything is known."""
        yield LineView(id="welcome-lines")

    def on_mount(self) -> None:
        """What is known before the session is loaded, leaving places for the rest."""
        self._view.show([_TITLE, _EMPTY, _MACHINE, _ASKING, _EMPTY, _START, _EMPTY, _EMPTY, _EMPTY, _GO_ON, _KEYS])

    def action_take(self, index: int) -> None:
        """Take one of the models on screen."""
        if index < len(self._shown):
            self._on_take(self._shown[index])

    def action_choose(self, by: int) -> None:
        """Take the model above or below the current one; where none is offered, scroll."""
        if not self._shown:
            self.scroll_relative(y=by, animate=False)
            return
        at = self._shown.index(self._taken) + by if self._taken in self._shown else 0
        self.action_take(max(0, min(len(self._shown) - 1, at)))
        # the list stands at the end
        self.scroll_end(animate=False)

    def show(self, session: Session) -> None:
        """Draw what the driver said, what the wizard starts with, and what else would fit."""
        self._shown = tuple(session.proposals)[:PROPOSALS]
        self._taken = session.texts[MODEL]
        columns = max(COLUMNS, self.scrollable_content_region.width)
        lines: list[Line] = [
            _TITLE,
            *_small(self.app.size),
            _EMPTY,
            _MACHINE,
            *_found(session),
            _EMPTY,
            _START,
            (("  model  ", "dim"), (session.texts[MODEL] or "not chosen", "")),
            (("  GPU    ", "dim"), (_gpu_words(session), "")),
            _EMPTY,
            *self._how_to_go_on(session),
            _KEYS,
        ]
        clicks: dict[int, list[Click]] = {}
        others = self._others(session, columns)
        for at in range(len(others[OTHERS_HEAD:])):
            clicks[len(lines) + OTHERS_HEAD + at] = [(columns, f"app.go_on_with({at})")]
        lines += [*others, *_also_fitting(session, self._shown, columns)]
        first = len(lines) - len(self._shown)
        clicks |= {first + place: [(columns, f"focused.take({place})")] for place in range(len(self._shown))}
        # as high as its place: lines that come later then need no new layout
        room = self.scrollable_content_region.height
        self._view.show([*lines, *[_EMPTY] * (room - len(lines))], clicks)

    def _how_to_go_on(self, session: Session) -> list[Line]:
        if session.left is None:
            return [_GO_ON]
        at = f"{session.left.saved_at:%d %b %H:%M}"
        return [
            ((f"Left on {at} at step {self._title_of(session.left.step)}:", "strong"),),
            ((f"  {session.left.model or 'no model yet'}", "strong"),),
            (("Enter", "key"), (" continues there, ", ""), ("^l", "key"), (" starts anew, keeping it.", "")),
        ]

    def _others(self, session: Session, columns: int) -> list[Line]:
        """Further earlier sessions, a key each, and how many more there are."""
        if not session.others_left:
            return []
        more = len(session.others_left) - len(OTHERS)
        heading = "Left before" + (f", and {more} more once these are taken" if more > 0 else "")
        lines: list[Line] = [_EMPTY, ((cut(heading, columns), "accent"),)]
        for letter, left in zip(OTHERS, session.others_left, strict=False):
            about = f" {left.saved_at:%d %b %H:%M}  {self._title_of(left.step):<9} "
            model = cut(left.model or "no model yet", columns - 3 - len(about))
            lines.append(((f" {letter} ", "key"), (about, "dim"), (model, "")))
        return lines

    @property
    def _view(self) -> LineView:
        return self.query_one("#welcome-lines", LineView)


def _small(size: Size) -> list[Line]:
    if size.width >= ROOMY[0] and size.height >= ROOMY[1]:
        return []
    least = " x ".join(map(str, ROOMY))
    said = f"This window is small, {size.width} x {size.height}. All works; from {least} on more is seen at once."
    return wrapped(said, COLUMNS, style="dim")


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
        each = f"{gib(total):.2f} GiB" + (f" each, {gib(total * len(cards)):.2f} in all" if len(cards) > 1 else "")
        lines.extend(wrapped(f"{len(cards)} x {name}, {each}{tail}", COLUMNS, mark=("  ", ""), indent="    "))
    if session.installed_vllm:
        lines.append(((f"  vLLM {session.installed_vllm} is installed", ""),))
    return lines


def _also_fitting(session: Session, models: tuple[str, ...], columns: int) -> list[Line]:
    if not models:
        return []
    count = len(session.proposals)
    heading = f"{count} model{'s' * (count > 1)} fit{'s' * (count == 1)}; ↑↓ or a digit"
    weights = "weights a GPU"
    lines: list[Line] = [_EMPTY, ((f"{heading:<{columns - len(weights)}}", "accent"), (weights, "dim"))]
    for number, model_id in enumerate(models, 1):
        mark, style = ("›", "strong") if model_id == session.texts[MODEL] else (" ", "")
        weights = f"{gib(session.proposals[model_id]):5.1f} GiB"
        room = columns - 5 - len(weights)
        lines.append(((f" {number} ", "key"), (f"{mark} {cut(model_id, room):<{room}}", style), (weights, "dim")))
    return lines


def _gpu_words(session: Session) -> str:
    name, count = session.texts["hardware.gpu"], session.texts["hardware.gpus"]
    return f"{count} x {'this machine' if name == 'auto' else name}"
