"""The Launch step: checks, a server and its log, the predicted figures and the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Log, Sparkline

from wizard_tui.launch.launcher import ASK, CHECK, FORGET, LEARN, LOAD, START, STOP, Act, Launcher
from wizard_tui.launch.startup_log import brief
from wizard_tui.launch.watch import ENDED, Watch
from wizard_tui.tui.messages import Replan
from wizard_tui.tui.session import Session
from wizard_tui.tui.sizes import STAGE_COLUMNS
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.launch_lines import TABLE_COLUMNS, facts, keys_line, stage_lines, state_line
from wizard_tui.tui.widgets.line_view import Line, LineView, shown
from wizard_tui.tui.widgets.quiet import Pane, QuietHorizontal, QuietLog, QuietScroll, QuietVertical

LOOK_EVERY_S = 0.5
LOG_LINES = 5000


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
        """`on_patch` gets the change of the request that cures a failure, or that plans with the measured figures."""
        super().__init__(id=id)
        self._on_patch = on_patch
        self.session = session
        self.launcher = launcher
        self._followed: Watch | None = None
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
        self._carry_on()
        # the columns are known when the layout is made
        self.call_after_refresh(self.draw)

    def on_resize(self) -> None:
        """Draw for the width that there is now."""
        self.call_after_refresh(self.draw)

    # actions

    def action_check(self) -> None:
        """Look at the machine."""
        self._begin(CHECK, lambda: asyncio.to_thread(self.launcher.check_and_find, self.session.response))

    def action_start(self) -> None:
        """Start; a second press starts although a check failed."""
        kept, plan = self.session.plan_to_keep(), self.session.plan
        if kept is None or plan is None:
            self.launcher.may(START, "there is no plan to start yet")
            self.draw()
            return
        stale = "" if self.session.stale is None else f"not started: {self.session.stale}"
        # the request as it is kept: the screen asks for reasons, which the user did not
        start = partial(self.launcher.start, plan.decision, kept[1], force=self.launcher.forced)
        if self._begin(START, lambda: asyncio.to_thread(start), stale):
            self._log.clear()

    def action_stop(self) -> None:
        """Stop the server, and with it any question put to it."""
        self._begin(STOP, lambda: asyncio.to_thread(self.launcher.stop))

    def action_way(self) -> None:
        """The next way to start."""
        self.launcher.next_way()
        self._carry_on()
        self.draw()

    def action_ask(self) -> None:
        """The smoke test."""
        self._begin(ASK, self.launcher.ask)

    def action_load(self) -> None:
        """The load run."""
        self._begin(LOAD, self._load)

    def action_use_measured(self) -> None:
        """Plan with the measured figures."""
        said = "the plan follows what was measured; Review shows it", "nothing was measured yet; l does that"
        self._apply(self.launcher.measured(), *said)

    def action_forget(self) -> None:
        """Remove the calibration of this machine."""
        self._begin(FORGET, self._forget, "" if self.session.observed else "no start has shown anything yet")

    def action_cure(self) -> None:
        """Apply the change that cures the failure on screen."""
        said = "applied; s starts it again, ctrl+z takes it back", "there is no failure with a known cure"
        self._apply(self.launcher.cure(), *said)

    def _apply(self, patch: Mapping[str, Mapping[str, Any]], done: str, nothing: str) -> None:
        if patch:
            self._on_patch(patch)
        self._say(done if patch else nothing)

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

    def _begin(self, act: Act, work: Callable[[], Awaitable[object]], unless: str = "") -> bool:
        """Begin what a key asks for, unless the launcher refuses and says why."""
        has_begun = self.launcher.begin(act, unless)
        if has_begun:
            # exclusive: work that it replaces ends, as a load run does for a stop
            self.run_worker(self._until_done(act, work), group="launch", exclusive=True)
        self.draw()
        return has_begun

    async def _until_done(self, act: Act, work: Callable[[], Awaitable[object]]) -> None:
        try:
            with self.launcher.doing(act):
                await work()
        finally:
            self.draw()
        if self.launcher.watch is not self._followed:
            self._follow_server()

    def _carry_on(self) -> None:
        """Begin the work that follows without a key."""
        begin = {CHECK: self.action_check, ASK: self.action_ask, LEARN: self._learn_soon}
        while (act := self.launcher.next_act()) is not None:
            begin[act]()

    @work(exclusive=True, group="watch")
    async def _follow_server(self) -> None:
        """Follow one server to its end."""
        launcher = self.launcher
        self._followed = launcher.watch
        while launcher.watch is not None:
            lines = await asyncio.to_thread(launcher.poll)
            if lines:
                self._log.write_lines([shown(brief(line)) for line in lines])
            self._carry_on()
            self.draw()
            if launcher.state == ENDED:
                return
            await asyncio.sleep(LOOK_EVERY_S)

    def _learn_soon(self) -> None:
        self.run_worker(self._learn(), group="learn", exclusive=True)

    async def _learn(self) -> None:
        """Plan again with what starts on this machine have shown so far."""
        self.session.observed = await asyncio.to_thread(self.launcher.observations.all)
        # planned at once, as this view is drawn next; the panels follow the message
        self.session.replan()
        self.post_message(Replan())
        self.draw()

    async def _forget(self) -> None:
        await asyncio.to_thread(self.launcher.forget)
        await self._learn()

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
        self.launcher.say(sentence)
        self.draw()

    def draw(self) -> None:
        """Bring head and facts up to date; lines that did not change are not sent."""
        launcher = self.launcher
        place = self.query_one_optional("#launch-head", LineView)
        if place is None:
            # the wizard is closing while work was going on
            return
        self.set_class(launcher.watch is not None, "-served")
        head: list[Line] = [state_line(launcher)]
        head.append((("", ""),) if not launcher.problem else ((f"! {launcher.problem}", "warn"),))
        head.append(keys_line(launcher))
        place.show(head)
        served = launcher.watch is not None
        columns = self.size.width - 2
        beside = served and columns > STAGE_COLUMNS + TABLE_COLUMNS
        self.query_one("#launch-stages", LineView).show(stage_lines(launcher, brief=not beside))
        columns -= STAGE_COLUMNS if beside else 0
        self.query_one("#launch-lines", LineView).show(facts(launcher, self.session, max(30, columns)))
