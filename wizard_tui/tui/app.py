"""The application: theme, keys that work everywhere, copying, saving, and a clean end whatever happens."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.screen import Screen
from textual.worker import WorkerFailed

from wizard_tui.tui import textual_mended  # noqa: F401
from wizard_tui.tui.clipboard import copy_through_tmux
from wizard_tui.tui.ending import BoundedThreads, end_in_time
from wizard_tui.tui.in_order import InOrderApp
from wizard_tui.tui.keeping import Keeper
from wizard_tui.tui.keys import APP_KEYS
from wizard_tui.tui.painting import push
from wizard_tui.tui.screens.too_small import MIN_COLUMNS, MIN_ROWS
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.sizes import VARIABLES
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.style_files import style_path
from wizard_tui.tui.theme import DEFAULT_VARIABLES, THEMES
from wizard_tui.tui.widgets.not_saved import show_not_saved

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.driver import Driver
    from textual.timer import Timer

    from wizard_tui.schemas.profile import Profile
    from wizard_tui.tui.session import Session
    from wizard_tui.tui.state_file import StateFile

COLUMNS = [(0, "-tiny"), (MIN_COLUMNS, "-narrow"), (100, "-wide"), (160, "-huge")]
ROWS = [(0, "-flat"), (MIN_ROWS, "-short"), (32, "-tall")]
RETRY_S = 3.0
"""Interval between attempts to save a session after one has failed."""
SHEETS = ("base.tcss", "forms.tcss", "panels.tcss", "narrow.tcss", "dialogs.tcss", "launch.tcss")


class WizardApp(InOrderApp[str]):
    """Returns the serve command of the last plan, to be printed where it stays in the scrollback."""

    TITLE = "vllm-wizard-tui"
    CSS_PATH: ClassVar[list[str]] = [str(style_path(name)) for name in SHEETS]  # type: ignore[assignment]
    # ours is opened by its own key
    ENABLE_COMMAND_PALETTE = False
    # Textual's own text selection sends the whole screen with every click; the terminal has one of its own
    ALLOW_SELECT = False
    HORIZONTAL_BREAKPOINTS = COLUMNS
    VERTICAL_BREAKPOINTS = ROWS

    BINDINGS: ClassVar[list[BindingType]] = [*APP_KEYS]

    def __init__(
        self,
        session: Session | None = None,
        *,
        state_file: StateFile | None = None,
        fresh: bool = False,
        sources: Sources | None = None,
    ) -> None:
        """`session`: what to start with; `state_file`: where it is kept and, unless `fresh`, where an earlier one is
        looked for."""
        super().__init__(ansi_color=bool(os.environ.get("NO_COLOR")))
        for theme in THEMES:
            self.register_theme(theme)
        if not os.environ.get("TEXTUAL_THEME") and not os.environ.get("NO_COLOR"):
            # before anything is styled: if set later, everything would be styled and painted twice
            self.set_reactive(InOrderApp.theme, THEMES[0].name)
            self.stylesheet.set_variables(self.get_css_variables())
        self._given = session
        self._sources = sources or Sources()
        self._state_file = state_file
        self._keeper = Keeper(state_file, offers=not fresh)
        self._retry: Timer | None = None
        self._ending = False
        self._asked_to_leave = False
        if os.environ.get("SSH_CONNECTION") and not os.environ.get("TEXTUAL_ANIMATIONS"):
            self.animation_level = "none"

    @cached_property
    def session(self) -> Session:
        """The given session, or a new one that offers to continue an earlier one."""
        return self._given if self._given is not None else self._keeper.new_session()

    def get_driver_class(self) -> type[Driver]:
        """Ours in place of Textual's for a terminal."""
        from textual.drivers.linux_driver import LinuxDriver

        from wizard_tui.tui.driver import LastingDriver

        chosen = super().get_driver_class()
        return LastingDriver if chosen is LinuxDriver else chosen

    def get_default_screen(self) -> Screen[None]:
        """Our screen comes first: another one beneath it would be styled and painted for nothing."""
        return WizardScreen(lambda: self.session, self._sources, self._save)

    def on_mount(self) -> None:
        """Bound the wait for all threads, and report failures that happen outside any message."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(BoundedThreads())
        loop.set_exception_handler(self._failed_callback)
        self.call_after_refresh(self._save)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our style sheets use beside Textual's own variables."""
        return DEFAULT_VARIABLES | VARIABLES

    async def run_action(self, *action: Any, **more: Any) -> bool:
        """As Textual does it, after planning everything typed so far."""
        self._wizard().bring_up_to_date()
        return await super().run_action(*action, **more)

    def action_command_palette(self) -> None:
        """Open the menu: every action, step and field."""
        from wizard_tui.tui.palette import MenuProvider, Palette

        self._open(Palette(MenuProvider(self._wizard()), "an action, a step or a field"))

    def action_copy(self) -> None:
        """Copy the artifact on screen: through the terminal, and through tmux where one runs."""
        from wizard_tui.tui.widgets.artifact_preview import ArtifactPreview

        preview = self._wizard().query_one(ArtifactPreview)
        if not preview.text:
            self.notify("there is no plan to copy yet", severity="warning", markup=False)
            return
        self.copy_to_clipboard(preview.text)
        through_tmux = copy_through_tmux(preview.text)
        way = "your terminal and tmux" if through_tmux else "your terminal"
        self.notify(f"{preview.name_shown} sent to {way}; if a paste is empty, F9 writes a file", markup=False)

    def action_write_files(self) -> None:
        """Ask for a directory and write the artifacts there."""
        from wizard_tui.tui.screens.write_files import WriteFilesScreen

        planned = self.session.plan_to_keep()
        if planned is None:
            self.notify("there is no plan to write yet", severity="warning", markup=False)
            return
        push(self, WriteFilesScreen(*planned), self._written)

    def _written(self, sentence: str | None) -> None:
        if sentence:
            self.notify(sentence, markup=False)

    def action_help(self) -> None:
        """Show the keys."""
        from wizard_tui.tui.screens.pages import keys_page

        self._open(keys_page(self.screen))

    def action_words(self) -> None:
        """Show the glossary."""
        from wizard_tui.tui.screens.pages import words_page

        self._open(words_page())

    def _open(self, page: Screen[None]) -> None:
        if self.screen is self._wizard():
            push(self, page)

    def action_leave(self) -> None:
        """Save and leave; the command remains. Ask first when a server is running."""
        launcher = self._wizard().launcher
        if launcher is not None and launcher.watch is not None and launcher.runs:
            from wizard_tui.tui.screens.leave import LeaveScreen

            push(self, LeaveScreen(launcher.watch.record.name), self._leave_server)
            return
        self._go()

    def _leave_server(self, answer: str | None) -> None:
        if answer == "keep":
            self._go()
        elif answer == "stop":
            self.notify("stopping the server …", markup=False)
            self.run_worker(self._stop_and_go(), group="leave", exclusive=True)

    async def _stop_and_go(self) -> None:
        launcher = self._wizard().launcher
        if launcher is not None and not await asyncio.to_thread(launcher.stop):
            self.notify(launcher.problem, severity="error", markup=False)
            return
        self._go()

    def _go(self) -> None:
        self._save()
        response = self.session.response
        self.exit(response.artifacts.serve_command if response is not None else "")

    def action_leave_twice(self) -> None:
        """The first press asks, the second leaves."""
        if self._asked_to_leave:
            self.action_leave()
            return
        self._asked_to_leave = True
        self.notify("press ctrl+c once more to leave; nothing is lost", timeout=3, markup=False)
        self.set_timer(3, self._forget_leaving)

    def _forget_leaving(self) -> None:
        self._asked_to_leave = False

    def end_soon(self, code: int) -> bool:
        """Save and end with this exit code within two seconds, whatever hangs; False when nothing runs.

        For any thread, and for handlers of signals.
        """
        if self._loop is None:
            return False
        if not self._ending:
            self._ending = True
            end_in_time(self.keep, code)
            self._loop.call_soon_threadsafe(self._end, code)
        return True

    def _end(self, code: int) -> None:
        self.keep()
        # then after the keys already in the queue
        if not self.call_later(self._end_now, code):
            self._end_now(code)

    def _end_now(self, code: int) -> None:
        self.keep()
        self.exit("", return_code=code)

    # faults of ours

    @property
    def fault(self) -> Exception | None:
        """The fault that ended the wizard; None when the user left it."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) and isinstance(error.error, Exception) else error

    def fail(self, error: Exception) -> None:
        """End because of a fault. For any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._handle_exception, error)

    def _failed_callback(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # without a callback it is a task whose result nobody fetched, which is harmless
        if isinstance(error := context.get("exception"), Exception) and "handle" in context:
            self._handle_exception(error)
        else:
            loop.default_exception_handler(context)

    def panic(self, *renderables: RenderableType) -> None:
        """End, and show nothing: Textual's own picture of a fault holds local variables, which may be a key."""
        self._close_messages_no_wait()

    def _fatal_error(self) -> None:
        self.panic()

    # saving

    @property
    def begun(self) -> Session | None:
        """The session, if there is one yet."""
        return self._given or self.__dict__.get("session")

    @property
    def not_saved(self) -> str:
        """At the end: a sentence that says why the session is not on disk; empty when it is."""
        if not self._keeper.problem or self.begun is None or not self.begun.is_worth_keeping:
            return ""
        return f"What you typed is not saved: {self._keeper.problem}."

    def keep(self) -> None:
        """Save what there is, and show nothing."""
        if self.begun is not None:
            self._keeper.save(self.begun)

    def _save(self) -> None:
        self._keeper.save(self.session)
        self._show_saving()

    def _show_saving(self) -> None:
        """While a session cannot be saved, say so and try again, with or without further keys."""
        if self._keeper.problem and self._retry is None:
            self._retry = self.set_interval(RETRY_S, self._save)
        elif not self._keeper.problem and self._retry is not None:
            self._retry.stop()
            self._retry = None
        for screen in self.screen_stack:
            if isinstance(screen, WizardScreen):
                show_not_saved(screen, self._keeper.problem)

    async def action_go_on_with(self, index: int) -> None:
        """Switch to a session other than the offered one; this one stays on disk if it holds anything."""
        if index >= len(self.session.others_left):
            return
        problem = self._keeper.change_to(self.session.others_left[index], self.session)
        self._show_saving()
        if problem:
            self.notify(problem, severity="warning", markup=False)
            return
        self._wizard().show_anew()
        await self._wizard().action_step(1)

    def _wizard(self) -> WizardScreen:
        return next(screen for screen in self.screen_stack if isinstance(screen, WizardScreen))


def run(*, profile: Profile | None = None, fresh: bool = False, mouse: bool = True) -> None:
    """Open the wizard where the last session ended or with a profile, and print the command at the end.

    Raises SystemExit with the exit code when it was not the user who left: 129 when the terminal is gone, 128 and the
    number of the signal that asked for its end, 70 for a fault of ours.
    """
    from wizard_tui.tui.state_file import StateFile

    session = None
    if profile is not None:
        from wizard_tui.tui.session import Session

        session = Session()
        session.open_profile(profile)
    app = WizardApp(session, state_file=StateFile(), fresh=fresh)
    fault: Exception | None = None
    command = None
    try:
        with _ended_by_signals(app):
            command = app.run(mouse=mouse)
    except Exception as error:
        fault = error
    if (fault := app.fault or fault) is not None:
        raise SystemExit(_failed(app, fault))
    with suppress(*([OSError] if app.return_code else [])):
        sys.stdout.write(command.rstrip("\n") + "\n" if command else "")
        sys.stdout.flush()
        sys.stderr.write(f"vllm-wizard-tui: {app.not_saved}\n" if app.not_saved else "")
    if app.return_code:
        raise SystemExit(app.return_code)


@contextmanager
def _ended_by_signals(app: WizardApp) -> Iterator[None]:
    """Signals that ask for an end get an orderly one, bypassing the loop, which may hang on a full terminal."""

    def asked(number: int, frame: object) -> None:
        if not app.end_soon(128 + number):
            raise SystemExit(128 + number)

    before = {number: signal.signal(number, asked) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _failed(app: WizardApp, fault: Exception) -> int:
    """Report a fault of ours after saving what was typed; returns the exit code."""
    from wizard_tui.tui import crash

    with suppress(Exception):
        app.keep()
    if (session := app.begun) is None:
        return crash.report(fault)
    private = [text for path, text in session.texts.items() if session.origins[path] != "default"]
    kept = app.not_saved or "What you typed is kept; run it again to go on."
    return crash.report(fault, step=session.step, private=private, kept=kept)
