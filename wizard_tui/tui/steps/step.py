"""The interface of a step, and what it may ask of the wizard around it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.app import App
from textual.screen import Screen
from textual.widget import Widget

if TYPE_CHECKING:
    from wizard_tui.launch.launcher import Launcher
    from wizard_tui.tui.session import Session
    from wizard_tui.tui.sources import Sources


class Wizard(Protocol):
    """The wizard as its steps and palettes see it.

    A step's view reports to the wizard by calls, not messages: that happens while a key is handled, and must be done
    before the next key. Messages (messages.py) report slow work.
    """

    sources: Sources
    launcher: Launcher | None
    """The server being watched; None until the first visit to the step that starts one."""

    @property
    def app(self) -> App[Any]:
        """The application."""

    @property
    def screen(self) -> Screen[Any]:
        """The screen that the wizard is."""

    @property
    def session(self) -> Session:
        """What the user has typed, and its plan. Not to be asked for before the first frame is drawn."""

    @property
    def steps(self) -> Steps:
        """All steps in their order."""

    def edited(self, path: str, text: str) -> None:
        """Take the text that the user gave a field."""

    def patch(self, patch: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply a change of the request, as one edit that can be undone."""

    def take_model(self, model_id: str) -> None:
        """Serve this model."""

    async def go(self, step: str) -> None:
        """Show a step, by its name."""

    async def focus_path(self, path: str) -> None:
        """Show the step of a field, and put the focus on the field."""


class Step:
    """One step. `view` and the two names are all that a step must have.

    The order of calls: `view` once, before anything is known; on each visit `build`, then, when the step is on screen,
    `shown`, `focus_on` and `opened`; `shown` again with every new plan and new fact for as long as it stays there.
    """

    name: str
    """In saved sessions, and the id of the view."""
    title: str
    """On the line of steps and in the menu."""
    stands_alone: ClassVar[bool] = False
    """Whether it takes the whole width, and the panels of the plan are not shown beside it."""
    is_built_ahead: ClassVar[bool] = True
    """Whether it may be built when the first plan is on screen, so that the first visit is as fast as the others."""
    paths: Collection[str] = ()
    """The fields of the request that stand on it."""

    def view(self, wizard: Wizard) -> Widget:
        """A new widget with the step's name as its id: all of the step, but for what `build` adds."""
        raise NotImplementedError

    async def build(self, wizard: Wizard) -> None:
        """Load and mount, once, what the first frame does not need. The step before is still on screen."""

    def shown(self, session: Session) -> None:
        """Draw what the session holds now."""

    def focus_on(self, path: str | None = None) -> Widget | None:
        """The widget to focus, by default or for one of its fields; None when nothing takes keys."""
        return None

    def opened(self) -> None:
        """The step has come on screen: begin what it does by itself."""

    def set_texts(self, session: Session, paths: Collection[str]) -> None:
        """Take over texts of fields that were not typed here."""

    def take(self, index: int) -> None:
        """Take what the step offers under a number, counted from 0."""

    def broken(self, session: Session) -> Sequence[str]:
        """The step's fields that are wrong."""
        return [path for path in session.errors if path in self.paths]


class Steps:
    """Steps in their order."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = {step.name: step for step in steps}

    def __iter__(self) -> Iterator[Step]:
        """In order."""
        return iter(self._steps.values())

    def __getitem__(self, name: str) -> Step:
        """By name. Raises KeyError."""
        return self._steps[name]

    @property
    def first(self) -> Step:
        """Where every session begins."""
        return next(iter(self))

    def beside(self, step: Step, by: int) -> Step:
        """The step this many places after this one, or before it; at most the last or the first."""
        steps = list(self)
        return steps[max(0, min(len(steps) - 1, steps.index(step) + by))]

    def of(self, path: str) -> Step:
        """The step on which a field stands. Raises StopIteration for a field that is on none."""
        return next(step for step in self if path in step.paths)

    def behind_the_first(self, name: str) -> Step:
        """The step of this name; the second step for the first, which was seen, and for an unknown name."""
        _, *others = self
        return next((step for step in others if step.name == name), others[0])
