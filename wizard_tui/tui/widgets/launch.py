"""The Launch step: checks, a server and its log, what was predicted and what came."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Log, Sparkline

from wizard_tui.errors import Refusal
from wizard_tui.launch.launcher import Launcher
from wizard_tui.launch.preflight import would_stop
from wizard_tui.launch.startup_log import brief
from wizard_tui.launch.watch import ENDED
from wizard_tui.tui.messages import Replan
from wizard_tui.tui.session import Session
from wizard_tui.tui.sizes import STAGE_COLUMNS
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.launch_lines import TABLE_COLUMNS, facts, keys_line, stage_lines, state_line
from wizard_tui.tui.widgets.line_view import Line, LineView, shown
from wizard_tui.tui.widgets.quiet import Pane, QuietHorizontal, QuietLog, QuietScroll, QuietVertical

if TYPE_CHECKING:
    from wizard_tui.hardware.observed import Observation
    from wizard_tui.planning.decide import Decision
    from wizard_tui.schemas.outputs import PlanResponse

LOOK_EVERY_S = 0.5
LOG_LINES = 5000
ASKING, LOADING = "asking it something", "load run"


class LaunchView(QuietVertical, Pane, can_focus=True):
    """Keys start, stop and measure; the log follows until it is scrolled."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "start the server"),
        Binding("x", "stop", "stop the server"),
        Binding("w", "way", "process, docker, compose or systemd"),
        Binding("c", "check", "look at the machine again"),
        Binding("t", "ask", "smoke test: one real request"),
        Binding("l", "load", "load run at the planned concurrency"),
        Binding("m", "use_measured", "plan with what the load run measured"),
        Binding("u", "forget", "plan without what starts here have shown"),
        Binding("p", "cure", "apply the change that cures a failure"),
        Binding("f", "follow", "follow the log"),
        Binding("up", "scroll_facts(-1)", "scroll up", show=False),
        Binding("down", "scroll_facts(1)", "scroll down", show=False),
        Binding("slash", "search", "search the log", key_display="/"),
        Binding("n", "next_hit", "next hit"),
    ]

    def __init__(
        self,
        session: Session,
        launcher: Launcher,
        *,
        id: str,  # noqa: A002
        on_patch: Callable[[Mapping[str, Mapping[str, Any]]], None],
    ) -> None:
        """`on_patch` gets the change of the request that cures a failure, or that plans with what was measured."""
        super().__init__(id=id)
        self._on_patch = on_patch
        self.session = session
        self.launcher = launcher
        self._forced = False
        self._hits: list[int] = []
        self._hit = -1

    def compose(self) -> ComposeResult:
        """State and keys, what is known, and beneath it the log at full width."""
        yield LineView(id="launch-head")
        with QuietScroll(id="launch-facts", can_focus=False):
            with QuietHorizontal(id="launch-columns"):
                yield LineView(id="launch-stages")
                yield LineView(id="launch-lines")
            yield Sparkline([], id="launch-rate")
        with QuietVertical(id="launch-output"):
            yield Entry("", id="launch-search", placeholder="search the log, Enter", on_submit=self._search)
            yield QuietLog(id="launch-log", max_lines=LOG_LINES, highlight=False)

    def on_mount(self) -> None:
        """Nothing is asked before the step is visited."""
        self.query_one("#launch-search").display = False
        self.query_one("#launch-rate").display = False

    def on_unmount(self) -> None:
        """The server runs on without this view."""
        self.launcher.close()

    def opened(self) -> None:
        """The step is on screen: look at the machine once, and for a server that still runs."""
        if not self.launcher.checked and not self.launcher.busy:
            self.action_check()
        # the columns are known when the layout is made
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        """Draw for the width that there is now."""
        self.call_after_refresh(self.draw)

    # actions

    def action_check(self) -> None:
        """Look at the machine."""
        self._take_time("looking at this machine", self._check)

    def action_start(self) -> None:
        """Start; a second time although something would stop it."""
        if self._is_refused("a server runs already; x stops it" if self.launcher.runs else ""):
            return
        kept, decision = self.session.plan_to_keep(), self.session.decided()
        if kept is None or decision is None:
            self._say("there is no plan to start yet")
            return
        if self.session.stale is not None:
            self._say(f"not started: {self.session.stale}")
            return
        self._log.clear()
        # the request as it is kept: the screen asks for reasons, which the user did not
        self._take_time("starting", partial(self._start, decision, kept[1], force=self._forced))

    def action_stop(self) -> None:
        """Stop what runs; what is being asked of it ends with it."""
        if self.launcher.busy in (ASKING, LOADING):
            self.workers.cancel_group(self, "launch")
            self.launcher.busy = ""
        if not self._is_refused("" if self.launcher.runs else "no server runs"):
            self._take_time("stopping", self._stop)

    def action_way(self) -> None:
        """The next way to start."""
        if not self._is_refused("a server runs; x stops it" if self.launcher.runs else ""):
            self.launcher.next_way()
            self._forced = False
            self.action_check()

    def action_ask(self) -> None:
        """The smoke test."""
        if not self._is_refused("" if self.launcher.is_ready else "no server answers yet"):
            self._take_time(ASKING, self.launcher.ask)

    def action_load(self) -> None:
        """The load run."""
        if not self._is_refused("" if self.launcher.is_ready else "no server answers yet"):
            self._take_time(LOADING, self._load)

    def action_use_measured(self) -> None:
        """Plan with what was measured."""
        if patch := self.launcher.measured():
            self._on_patch(patch)
            self._say("the plan follows what was measured; Review shows it")
        else:
            self._say("nothing was measured yet; l does that")

    def action_forget(self) -> None:
        """Remove the calibration of this machine."""
        if not self._is_refused("" if self.session.observed else "no start has shown anything yet"):
            self._take_time("forgetting", self._forget)

    def action_cure(self) -> None:
        """Apply the change that cures the failure on screen."""
        failure = self.launcher.watch.failure if self.launcher.watch is not None else None
        if failure is not None and failure.patch:
            self._forced = False
            self._on_patch(failure.patch)
            self._say("applied; s starts it again, ctrl+z takes it back")
        else:
            self._say("there is no failure with a known cure")

    def action_follow(self) -> None:
        """Back to the end of the log."""
        self._log.auto_scroll = True
        self._log.scroll_end(animate=False)

    def action_scroll_facts(self, rows: int) -> None:
        """Show what is above or below on a small screen."""
        self.query_one("#launch-facts").scroll_relative(y=rows, animate=False)

    def action_search(self) -> None:
        """Ask what to search for."""
        entry = self.query_one("#launch-search", Entry)
        entry.display = True
        self.screen.set_focus(entry)

    def action_next_hit(self) -> None:
        """The next line that holds what was searched for."""
        if not self._hits:
            self._say("nothing was found; / searches")
            return
        self._hit = (self._hit + 1) % len(self._hits)
        self._log.auto_scroll = False
        self._log.scroll_to(y=self._hits[self._hit], animate=False)
        self._say(f"hit {self._hit + 1} of {len(self._hits)}")

    def _search(self) -> None:
        entry = self.query_one("#launch-search", Entry)
        words = entry.value.strip().lower()
        entry.display = False
        self.screen.set_focus(self)
        self._hits = [at for at, line in enumerate(self._log.lines) if words and words in line.lower()]
        self._hit = -1
        self.action_next_hit()

    # work that takes time

    def _take_time(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Begin something, unless something else goes on. `busy` is set at once: the next key may be here already."""
        if self._is_refused():
            return
        self.launcher.busy, self.launcher.problem = what, ""
        self.draw()
        self.run_worker(self._until_done(what, work), group="launch")

    def _is_refused(self, reason: str = "") -> bool:
        """Whether a key does nothing now, as something else goes on or for a reason that is given; says why."""
        if self.launcher.busy:
            reason = _refusal(self.launcher.busy)
        if reason:
            self._say(reason)
        return bool(reason)

    async def _until_done(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        launcher = self.launcher
        try:
            await work()
        finally:
            # stopping the server takes the place of what was being asked of it
            if launcher.busy == what:
                launcher.busy = ""
            if launcher.problem == _refusal(what):
                launcher.problem = ""
            self.draw()

    async def _check(self) -> None:
        launcher = self.launcher
        await asyncio.to_thread(launcher.check, self.session.response)
        if launcher.watch is None and (record := await asyncio.to_thread(launcher.find_running)) is not None:
            await asyncio.to_thread(launcher.attach, record)
            self._watch()

    async def _start(self, decision: Decision, response: PlanResponse, *, force: bool) -> None:
        try:
            await asyncio.to_thread(self.launcher.start, decision, response, force=force)
        except Refusal as error:
            self._say(str(error))
            self._forced = would_stop(self.launcher.checks)
            return
        self._forced = False
        self._watch()

    @work(exclusive=True, group="watch")
    async def _watch(self) -> None:
        """Follow one server to its end."""
        launcher = self.launcher
        known: Observation | None = None
        asked = launcher.answer is not None
        while launcher.watch is not None:
            lines = await asyncio.to_thread(launcher.poll)
            if lines:
                self._log.write_lines([shown(brief(line)) for line in lines])
            if launcher.kept is not None and launcher.kept != known:
                known = launcher.kept
                await self._learn()
            self.draw()
            if launcher.watch.state == ENDED:
                return
            if launcher.is_ready and not asked and not launcher.busy:
                asked = True
                self.action_ask()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _learn(self) -> None:
        """Plan again with what starts on this machine have shown by now."""
        self.session.observed = await asyncio.to_thread(self.launcher.observations.all)
        # planned at once, as this view is drawn next; the panels follow the message
        self.session.replan()
        self.post_message(Replan())

    async def _forget(self) -> None:
        await asyncio.to_thread(self.launcher.forget)
        await self._learn()

    async def _stop(self) -> None:
        await asyncio.to_thread(self.launcher.stop)

    async def _load(self) -> None:
        rate = self.query_one("#launch-rate", Sparkline)
        rate.display = True

        def draw_point(_: object) -> None:
            rate.data = [point.toks_per_s for point in self.launcher.points]
            self.draw()

        await self.launcher.load(draw_point)

    # drawing

    @property
    def _log(self) -> Log:
        return self.query_one("#launch-log", Log)

    def _say(self, sentence: str) -> None:
        self.launcher.problem = sentence
        self.draw()

    def draw(self) -> None:
        """Bring head and facts up to date; lines that did not change are not sent."""
        launcher = self.launcher
        place = self.query_one_optional("#launch-head", LineView)
        if place is None:
            # the wizard is being left while something was going on
            return
        self.set_class(launcher.watch is not None, "-served")
        head: list[Line] = [state_line(launcher)]
        head.append((("", ""),) if not launcher.problem else ((f"! {launcher.problem}", "warn"),))
        head.append(keys_line(launcher, forced=self._forced))
        place.show(head)
        served = launcher.watch is not None
        columns = self.size.width - 2
        beside = served and columns > STAGE_COLUMNS + TABLE_COLUMNS
        self.query_one("#launch-stages", LineView).show(stage_lines(launcher, brief=not beside))
        columns -= STAGE_COLUMNS if beside else 0
        self.query_one("#launch-lines", LineView).show(facts(launcher, self.session, max(30, columns)))


def _refusal(what: str) -> str:
    return f"busy: {what}"
