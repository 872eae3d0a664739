"""The wizard: steps and forms left, the live plan right, always mounted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input

from wizard_tui.tui.facts import Sources
from wizard_tui.tui.fields import FORMS, MODEL, ORDER, TITLES, all_fields, path_of, said, step_of
from wizard_tui.tui.keys import WIZARD_KEYS
from wizard_tui.tui.messages import GpusFound, ModelRead, Replan
from wizard_tui.tui.painting import painted_once, push
from wizard_tui.tui.screens.base import QuietScreen
from wizard_tui.tui.screens.too_small import TooSmall
from wizard_tui.tui.widgets.artifact_preview import ArtifactPreview
from wizard_tui.tui.widgets.box_facts import BoxFacts
from wizard_tui.tui.widgets.choice import Choice
from wizard_tui.tui.widgets.feasibility import FeasibilityPanel
from wizard_tui.tui.widgets.field_row import FieldRow
from wizard_tui.tui.widgets.form import Form
from wizard_tui.tui.widgets.key_bar import KeyBar
from wizard_tui.tui.widgets.line_view import LineView, wrapped
from wizard_tui.tui.widgets.model_facts import ModelFacts
from wizard_tui.tui.widgets.quiet import QuietHorizontal, QuietSwitcher, QuietVertical
from wizard_tui.tui.widgets.review import Review
from wizard_tui.tui.widgets.status_strip import StatusStrip
from wizard_tui.tui.widgets.stepper import Stepper
from wizard_tui.tui.widgets.vram_bar import VramBar
from wizard_tui.tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from wizard_tui.launch.launcher import Launcher
    from wizard_tui.tui.session import Session

PLAN_PAUSE_S = 0.01
MODEL_PAUSE_S = 0.3
SAVE_PAUSE_S = 0.5
HELP_ROWS = 2  # on a narrow screen, as narrow.tcss says


class WizardScreen(QuietScreen):
    """Owns no state: it shows the session, and turns edits into a new plan.

    The session is asked for after the first screen is drawn: the schema behind it takes as long to load as Textual.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*WIZARD_KEYS]

    def __init__(self, session: Callable[[], Session], sources: Sources, on_save: Callable[[], None]) -> None:
        super().__init__()
        self._session = session
        self.sources = sources
        self._save = on_save
        self.launcher: Launcher | None = None
        self._begun = False
        self._undrawn = ExitStack()
        self._model_timer: Timer | None = None
        self._save_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        """Stepper, then the switcher of steps beside the panels, then help line, strip and footer."""
        yield Stepper(TITLES, id="stepper")
        with QuietHorizontal(id="body"):
            with QuietSwitcher(initial="welcome", id="steps"):
                yield Welcome(id="welcome")
                for step, (_, groups) in FORMS.items():
                    foot = {"model": ModelFacts, "hardware": BoxFacts}.get(step)
                    yield Form(groups, id=step, foot=foot() if foot else None)
                yield Review(id="review")
                yield QuietVertical(id="launch")
            with QuietVertical(id="panels"):
                yield VramBar(id="vram")
                yield FeasibilityPanel(id="feasibility")
                yield ArtifactPreview(id="preview")
        yield TooSmall(id="too-small")
        yield LineView(id="help")
        yield StatusStrip(id="strip")
        yield KeyBar(id="keys")

    @property
    def session(self) -> Session:
        """What the user has typed, and its plan."""
        return self._session()

    def on_mount(self) -> None:
        """The first screen first: the session, finding facts and planning load modules, also in threads."""
        self.query_one(Stepper).show_steps(ORDER[0], set())
        self.set_focus(self.query_one(Welcome))
        # drawn when the app has started and the messages about the size are through: else it is drawn four times
        self._undrawn.enter_context(self.app.batch_update())
        self.app.call_later(self.call_later, self._draw)

    def _draw(self) -> None:
        self._undrawn.close()
        self.call_after_refresh(self._begin)

    async def _begin(self) -> None:
        self._begun = True
        self.query_one(Welcome).show(self.session)
        if self.session.step in ORDER[1:]:
            await self.go(self.session.step)
        self._ask_gpus()
        self._ask_model()
        self.post_message(Replan())

    # steps

    async def go(self, step: str) -> None:
        """Show a step; its form is built on the first visit."""
        self.session.step = step
        switcher = self.query_one("#steps", QuietSwitcher)
        with painted_once(self.app):
            self.remove_class("-panels")
            self.set_class(step == "launch", "-launch")
            if step in FORMS:
                await self.query_one(f"#{step}", Form).build(self.session)
            if step == "launch":
                await self._build_launch()
            switcher.current = step
            self._show_steps()
            self._show_help("")
            if step in FORMS:
                self._focus_first(step)
            else:
                if step == "review":
                    self._show_review()
                self.set_focus(self.query_one("#launch-view" if step == "launch" else f"#{step}"))

    # the step line calls it, whatever the step before holds
    action_go = go

    async def _build_launch(self) -> None:
        """The last step's widgets and all that starts servers are loaded on the first visit."""
        from wizard_tui.launch.launcher import Launcher
        from wizard_tui.tui.widgets.launch import LaunchView

        if self.launcher is None:
            self.launcher = Launcher(look=self.sources.look)
        place = self.query_one("#launch", QuietVertical)
        if not place.children:
            await place.mount(LaunchView(self.session, self.launcher, id="launch-view"))
        place.query_one(LaunchView).opened()

    async def action_step(self, by: int) -> None:
        """Go on or back. Going on from a step with errors leads to the first error instead."""
        left, self.session.left = self.session.left, None
        if left is not None and by > 0:
            await self.go(left.step if left.step in ORDER else ORDER[1])
            return
        at = ORDER.index(self.session.step)
        # the last keys may not have been planned yet
        self.session.replan()
        if by > 0 and (broken := self._broken_in(self.session.step)):
            self._focus_field(broken[0])
            self.app.bell()
            return
        await self.go(ORDER[max(0, min(len(ORDER) - 1, at + by))])

    async def focus_path(self, path: str) -> None:
        """Go to the step of a field and put the focus there."""
        await self.go(step_of(path))
        self._focus_field(path)

    def action_leave_field(self) -> None:
        """Escape leaves the field and loses nothing."""
        self.set_focus(None)

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

    @on(Input.Changed)
    @on(Choice.Changed)
    def _edited(self, event: Input.Changed | Choice.Changed) -> None:
        path = path_of(str(event.control.id))
        if self.session.set({path: event.value}):
            self._changed({path})
        if self.session.texts[path] != event.value:
            # a password within an address is not kept, and does not stay on the screen either
            self.query_one(f"#{step_of(path)}", Form).set_texts(self.session, {path})

    @on(Input.Submitted)
    async def _submitted(self) -> None:
        """After every key before it, as it comes by the same way as they."""
        await self.action_step(1)

    @on(FieldRow.Entered)
    def _entered(self, event: FieldRow.Entered) -> None:
        self._show_help(all_fields()[event.path].help)

    def action_take(self, index: int) -> None:
        """Apply one of the suggestions on screen."""
        response = self.session.response
        if response is not None and index < len(response.feasibility.suggestions):
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

        push(self.app, model_palette())

    def take_model(self, model_id: str) -> None:
        """Take over a model that was found."""
        if self.session.set({MODEL: model_id}):
            self._replaced({MODEL})

    def action_start_anew(self) -> None:
        """On Welcome: do not go on with the session that was left."""
        if self.session.step == "welcome" and self.session.left is not None:
            self.session.start_anew()
            self.show_anew()

    def show_anew(self) -> None:
        """The session holds other texts in all fields."""
        self._replaced(set(all_fields()))
        self.query_one(Welcome).show(self.session)

    def action_undo(self) -> None:
        """Take back the last edit."""
        self._moved("taken back", self.session.undo())

    def action_redo(self) -> None:
        """Make the edit that was undone again."""
        self._moved("made again", self.session.redo())

    def _moved(self, how: str, changes: Mapping[str, str]) -> None:
        self._replaced(set(changes))
        # the fields may be on another step
        self._show_help(f"{how}: {said(changes)}" if changes else f"nothing is left to be {how}")

    def _replaced(self, paths: set[str]) -> None:
        """Fields got another text, and not by typing."""
        for form in self.query(Form):
            form.set_texts(self.session, paths)
        self._changed(paths)

    def _changed(self, paths: set[str]) -> None:
        if not paths:
            return
        if MODEL in paths or "model.revision" in paths or "model.params_b" in paths:
            self._model_changed()
        self._save_soon()
        self.post_message(Replan())

    @on(Replan)
    async def _replan(self) -> None:
        # what was typed goes out first: it is written by a thread of Textual's, which waits for this one
        await asyncio.sleep(PLAN_PAUSE_S)
        self.session.replan()
        self._show_plan()

    def _show_plan(self) -> None:
        session = self.session
        for form in self.query(Form):
            form.show(session)
        self._show_steps()
        self.query_one(ModelFacts).show_model(session.metadata)
        self.query_one(BoxFacts).show_gpus(session.gpus)
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
        if session.step == "review":
            self._show_review()
        welcome = self.query_one(Welcome)
        welcome.show(session)
        welcome.propose(session)

    def _show_review(self) -> None:
        """The last step alone compares with other ways: that takes a hundred plans."""
        session = self.session
        if session.response is not None:
            review = self.query_one(Review)
            review.show_plan(session.response, session.alternatives(), session.boxes(), session.stale)

    def patch(self, patch: Mapping[str, Mapping[str, Any]]) -> None:
        """Apply a change of the request."""
        self._replaced(set(self.session.apply_patch(patch)))

    @on(Welcome.Proposed)
    def _proposed(self, event: Welcome.Proposed) -> None:
        self._replaced(set(self.session.propose(event.fitting)))
        self.query_one(Welcome).show(self.session)

    @on(Welcome.Taken)
    def _model_taken(self, event: Welcome.Taken) -> None:
        self.take_model(event.model_id)

    @on(Review.Taken)
    def _taken(self, event: Review.Taken) -> None:
        self.patch(event.patch)

    # facts

    def _model_changed(self) -> None:
        self.session.model_problem = None
        self.session.model_state = f"reading {self.session.texts[MODEL].strip() or 'nothing'}"
        if self._model_timer is not None:
            self._model_timer.stop()
        self._model_timer = self.set_timer(MODEL_PAUSE_S, self._ask_model)

    @work(exclusive=True, group="model", exit_on_error=False)
    async def _ask_model(self) -> None:
        texts = self.session.texts
        if model := texts[MODEL].strip():
            revision = texts["model.revision"].strip() or None
            await self.sources.read_model(self, model, revision, self.session.params_b)

    @on(ModelRead)
    def _model_read(self, event: ModelRead) -> None:
        if event.metadata is not None:
            wanted = self.session.model_ready(event.model, event.metadata)
        else:
            wanted = self.session.model_failed(event.model, event.problem)
        if wanted:
            self.post_message(Replan())

    @work(exclusive=True, group="gpus", exit_on_error=False)
    async def _ask_gpus(self) -> None:
        await self.sources.find_gpus(self)

    @on(GpusFound)
    def _gpus_found(self, event: GpusFound) -> None:
        changed = self.session.gpus_found(event.gpus, event.installed_vllm, event.observed)
        for form in self.query(Form):
            form.set_texts(self.session, changed)
        self.session.problems = tuple(event.problems)
        self.query_one(Welcome).show(self.session)
        self.post_message(Replan())

    def action_rescan(self) -> None:
        """Ask the driver again."""
        self._ask_gpus()

    # saving

    def _save_soon(self) -> None:
        # not put off by further keys: a killed wizard loses no more than this pause
        if self._save_timer is None:
            self._save_timer = self.set_timer(SAVE_PAUSE_S, self._save_now)

    def _save_now(self) -> None:
        self._save_timer = None
        self._save()

    # small things

    def _show_steps(self) -> None:
        broken = {step_of(path) for path in self.session.errors if path in all_fields()}
        self.query_one(Stepper).show_steps(self.session.step, broken)

    def _show_help(self, text: str) -> None:
        self.query_one("#help", LineView).show(wrapped(text, self.size.width - 2, style="dim", rows=HELP_ROWS))

    def _broken_in(self, step: str) -> list[str]:
        return [path for path in self.session.errors if path in all_fields() and step_of(path) == step]

    def _focus_first(self, step: str) -> None:
        form = self.query_one(f"#{step}", Form)
        broken = self._broken_in(step)
        form.focus_field(broken[0] if broken else None)

    def _focus_field(self, path: str) -> None:
        self.query_one(f"#{step_of(path)}", Form).focus_field(path)
