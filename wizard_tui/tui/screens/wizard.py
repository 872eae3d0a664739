"""The wizard: steps and forms left, the live plan right, always mounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.timer import Timer

from wizard_tui.tui.fields import MODEL, all_fields, path_of, said
from wizard_tui.tui.in_order import InOrderApp
from wizard_tui.tui.keys import WIZARD_KEYS
from wizard_tui.tui.messages import GpusFound, ModelRead, ModelsProposed, Replan
from wizard_tui.tui.painting import painted_once, push
from wizard_tui.tui.reading import OF_THE_MODEL, Reading
from wizard_tui.tui.screens.base import QuietScreen
from wizard_tui.tui.screens.too_small import TooSmall
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.steps.order import all_steps
from wizard_tui.tui.steps.step import Step
from wizard_tui.tui.widgets.artifact_preview import ArtifactPreview
from wizard_tui.tui.widgets.feasibility import FeasibilityPanel
from wizard_tui.tui.widgets.field_row import FieldRow
from wizard_tui.tui.widgets.help_line import HelpLine
from wizard_tui.tui.widgets.key_bar import KeyBar
from wizard_tui.tui.widgets.quiet import QuietHorizontal, QuietSwitcher, QuietVertical
from wizard_tui.tui.widgets.status_strip import StatusStrip
from wizard_tui.tui.widgets.stepper import Stepper
from wizard_tui.tui.widgets.vram_bar import VramBar

if TYPE_CHECKING:
    from wizard_tui.launch.launcher import Launcher
    from wizard_tui.tui.session import Session

PLAN_PAUSE_S = 0.01
SAVE_PAUSE_S = 0.5


class WizardScreen(QuietScreen):
    """Owns no state: it shows the session, and turns edits into a new plan.

    A key's effects are complete before the next key: fields report every key by a call, and a step changes in one act,
    so the next key finds everything in its new place. Slow work, such as reading a model, reports by messages.

    The session is asked for after the first screen is drawn: the schema behind it takes as long to load as Textual.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*WIZARD_KEYS]

    def __init__(self, session: Callable[[], Session], sources: Sources, on_save: Callable[[], None]) -> None:
        super().__init__()
        self._session = session
        self.sources = sources
        self.steps = all_steps()
        self._save = on_save
        self.launcher: Launcher | None = None
        self._begun = self._is_building_ahead = False
        self._undrawn = ExitStack()
        self._save_timer: Timer | None = None
        self._reading = Reading(self, lambda: self.sources, session)

    def compose(self) -> ComposeResult:
        """Stepper, then the switcher of steps beside the panels, then help line, strip and footer."""
        yield Stepper([(step.name, step.title) for step in self.steps], id="stepper")
        with QuietHorizontal(id="body"):
            with QuietSwitcher(initial=self.steps.first.name, id="steps"):
                for step in self.steps:
                    yield step.view(self)
            with QuietVertical(id="panels"):
                yield VramBar(id="vram")
                yield FeasibilityPanel(id="feasibility")
                yield ArtifactPreview(id="preview")
        yield TooSmall(id="too-small")
        yield HelpLine(id="help")
        yield StatusStrip(id="strip")
        yield KeyBar(id="keys")

    @property
    def session(self) -> Session:
        """What the user has typed, and its plan."""
        return self._session()

    def on_mount(self) -> None:
        """The first screen first: the session, finding facts and planning load modules, also in threads."""
        self.query_one(Stepper).show_steps(self.steps.first.name, set())
        self.set_focus(self.steps.first.focus_on())
        # drawn once the app has started and the size messages are handled: else it is drawn four times
        self._undrawn.enter_context(self.app.batch_update())
        self.app.call_later(self.call_later, self._draw)

    def _draw(self) -> None:
        self._undrawn.close()
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        self._begun = True
        self.steps.first.shown(self.session)
        if self._step is not self.steps.first:
            await self.go(self._step.name)
        self._reading.ask_gpus()
        self._reading.ask_model()
        self.post_message(Replan())
        if isinstance(self.app, InOrderApp):
            self.app.take_keys()

    # steps

    @property
    def _step(self) -> Step:
        """The step on screen."""
        return self.steps[self.session.step]

    async def go(self, step: str) -> None:
        """Show a step, by its name. What it shows is built before anything changes: the step, the fields and the focus
        then change in one act."""
        await self.steps[step].build(self)
        self._enter(self.steps[step])

    # called from the step line, whatever the previous step holds
    action_go = go

    def _enter(self, step: Step) -> None:
        self.session.step = step.name
        with painted_once(self.app):
            self.remove_class("-panels")
            self.set_class(step.stands_alone, "-alone")
            self.query_one("#steps", QuietSwitcher).current = step.name
            self._show_steps()
            self.query_one(HelpLine).say("")
            step.shown(self.session)
            self.set_focus(step.focus_on(*step.broken(self.session)[:1]))
            step.opened()

    @work(exclusive=True, group="build")
    async def _build_ahead(self) -> None:
        """Build the steps that were not visited yet, when the first plan is on screen."""
        for step in self.steps:
            if step.is_built_ahead:
                await step.build(self)

    async def action_step(self, by: int) -> None:
        """Go on or back. Going on from a step with errors leads to the first error instead."""
        left, self.session.left = self.session.left, None
        if left is not None and by > 0:
            await self.go(self.steps.behind_the_first(left.step).name)
            return
        if by > 0 and (broken := self._step.broken(self.session)):
            self.set_focus(self._step.focus_on(broken[0]))
            self.app.bell()
            return
        await self.go(self.steps.beside(self._step, by).name)

    async def focus_path(self, path: str) -> None:
        """Go to the step of a field and put the focus there."""
        step = self.steps.of(path)
        await self.go(step.name)
        self.set_focus(step.focus_on(path))

    def action_leave_field(self) -> None:
        """Escape leaves the field and loses nothing."""
        self.set_focus(None)
        self.query_one(HelpLine).say("Outside the fields: Tab goes back to them, ? lists the keys.")

    def action_number(self, number: int) -> None:
        """Take the offer with this number, on a step that numbers its offers."""
        self._step.take(number - 1)

    def action_toggle_panels(self) -> None:
        """On a narrow screen the plan takes the place of the form, and back."""
        self.toggle_class("-panels")
        self.call_after_refresh(self._show_plan)

    @on(Resize)
    def _resized(self) -> None:
        # the panels draw for the width that they have
        if self._begun:
            self.call_after_refresh(self._show_plan)

    # edits

    def edited(self, path: str, text: str) -> None:
        """Take the text that the user gave a field."""
        if self.session.set({path: text}):
            self._changed({path})
        if self.session.texts[path] != text:
            # a password within an address is not kept, and does not stay on the screen either
            self._set_texts({path})

    @on(FieldRow.Entered)
    def _entered(self, event: FieldRow.Entered) -> None:
        # a field's report may arrive after its step was left
        if event.path in self._step.paths:
            self.query_one(HelpLine).show_field(event.path, self.session.problem_of(event.path))

    def bring_up_to_date(self) -> None:
        """Plan text that was typed but not planned yet: an action acts on the plan of all keys before it."""
        if self._begun and self.session.is_behind:
            self.session.replan()
            self._show_plan()

    def action_take(self, index: int) -> None:
        """Apply one of the suggestions on screen, if they match the fields."""
        response = self.session.response
        if response is None or index >= len(response.feasibility.suggestions):
            return
        if (reason := self.session.stale) is not None:
            self.query_one(HelpLine).say(f"not taken, as the plan on screen is not that of the fields: {reason}")
            return
        self.patch(response.feasibility.suggestions[index].patch)

    def action_why(self) -> None:
        """Explain every number on screen."""
        from wizard_tui.tui.screens.pages import why_page

        if (page := why_page(self.session)) is not None:
            push(self.app, page)

    def action_plots(self) -> None:
        """Draw the plan as curves."""
        from wizard_tui.tui.screens.pages import plots_page

        if (page := plots_page(self.session)) is not None:
            push(self.app, page)

    def action_find_model(self) -> None:
        """Look for a model as you type."""
        from wizard_tui.tui.model_search import model_palette

        push(self.app, model_palette(self))

    def take_model(self, model_id: str) -> None:
        """Take over a model that was found."""
        if self.session.set({MODEL: model_id}):
            self._replaced({MODEL})

    def action_start_anew(self) -> None:
        """Decline the earlier session, on the first step, where it is offered."""
        if self._step is self.steps.first and self.session.left is not None:
            self.session.start_anew()
            self.show_anew()

    def show_anew(self) -> None:
        """The session holds other texts in all fields."""
        self._replaced(set(all_fields()))
        self._step.shown(self.session)

    def action_undo(self) -> None:
        """Take back the last edit."""
        self._moved("taken back", self.session.undo())

    def action_redo(self) -> None:
        """Make the edit that was undone again."""
        self._moved("made again", self.session.redo())

    def _moved(self, how: str, changes: Mapping[str, str]) -> None:
        self._replaced(set(changes))
        # the fields may be on another step
        self.query_one(HelpLine).say(f"{how}: {said(changes)}" if changes else f"nothing is left to be {how}")

    def _replaced(self, paths: Collection[str]) -> None:
        """Fields got another text, other than by typing."""
        self._set_texts(paths)
        self._changed(paths)

    def _set_texts(self, paths: Collection[str]) -> None:
        for step in self.steps:
            step.set_texts(self.session, paths)

    def _changed(self, paths: Collection[str]) -> None:
        if not paths:
            return
        if OF_THE_MODEL & set(paths):
            self._reading.model_changed()
        self._save_soon()
        self.post_message(Replan())

    @on(Replan)
    async def _replan(self) -> None:
        # what was typed goes out first: it is written by a thread of Textual's, which waits for this one
        await asyncio.sleep(PLAN_PAUSE_S)
        self.session.replan()
        self._show_plan()
        if not self._is_building_ahead:
            self._is_building_ahead = True
            self._build_ahead()

    def _show_plan(self) -> None:
        session = self.session
        self._step.shown(session)
        if self.focused is not None and (path := path_of(self.focused.id or "")) in self._step.paths:
            self.query_one(HelpLine).follow(path, session.problem_of(path))
        self._show_steps()
        feasibility, strip = self.query_one(FeasibilityPanel), self.query_one(StatusStrip)
        response = session.response
        if response is None:
            waiting = session.stale or session.model_state or "reading the model's facts"
            feasibility.show_waiting(waiting)
            strip.show_waiting(waiting)
            return
        self.query_one(VramBar).show_plan(response, session.gpus)
        feasibility.show_plan(response, session.previous, session.stale)
        strip.show_plan(response, session.stale)
        self.query_one(ArtifactPreview).show_artifacts(session.artifact_names(), session.artifact_text)
        self._reading.propose_models()

    def patch(self, patch: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply a change of the request."""
        self._replaced(set(self.session.apply_patch(patch)))

    @on(ModelsProposed)
    def _models_proposed(self, event: ModelsProposed) -> None:
        self._replaced(set(self.session.propose(event.fitting)))
        self._step.shown(self.session)

    # facts

    @on(ModelRead)
    def _model_read(self, event: ModelRead) -> None:
        if event.metadata is not None:
            wanted = self.session.model_ready(event.model, event.metadata)
        else:
            wanted = self.session.model_failed(event.model, event.problem, is_ours=event.is_ours)
        if wanted:
            self.post_message(Replan())

    @on(GpusFound)
    def _gpus_found(self, event: GpusFound) -> None:
        changed = self.session.gpus_found(event.gpus, event.installed_vllm, event.observed)
        self._set_texts(changed)
        self.session.problems = tuple(event.problems)
        self._step.shown(self.session)
        self.post_message(Replan())

    def action_rescan(self) -> None:
        """Ask the driver again."""
        self._reading.ask_gpus()

    # saving

    def _save_soon(self) -> None:
        # further keys do not delay it: a killed wizard loses no more than this pause
        if self._save_timer is None:
            self._save_timer = self.set_timer(SAVE_PAUSE_S, self._save_now)

    def _save_now(self) -> None:
        self._save_timer = None
        self._save()

    # small things

    def _show_steps(self) -> None:
        broken = {step.name for step in self.steps if step.broken(self.session)}
        self.query_one(Stepper).show_steps(self.session.step, broken)
