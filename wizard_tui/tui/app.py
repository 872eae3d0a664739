"""The application: theme, keys that work everywhere, copying, saving, and a clean end when the line drops."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import BindingType
from textual.screen import Screen

from wizard_tui.tui import textual_mended  # noqa: F401
from wizard_tui.tui.clipboard import copy_through_tmux
from wizard_tui.tui.facts import Sources
from wizard_tui.tui.in_order import InOrderApp
from wizard_tui.tui.keys import APP_KEYS
from wizard_tui.tui.painting import push
from wizard_tui.tui.screens.too_small import MIN_COLUMNS, MIN_ROWS
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.style_files import style_path
from wizard_tui.tui.theme import DEFAULT_VARIABLES, THEMES

if TYPE_CHECKING:
    from wizard_tui.schemas.profile import Profile
    from wizard_tui.tui.session import Session
    from wizard_tui.tui.state_file import StateFile

COLUMNS = [(0, "-tiny"), (MIN_COLUMNS, "-narrow"), (100, "-wide"), (160, "-huge")]
ROWS = [(0, "-flat"), (MIN_ROWS, "-short"), (32, "-tall")]
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
        """`session`: what to start with; `state_file`: where it is kept and, unless `fresh`, where one that was left is
        looked for."""
        super().__init__(ansi_color=bool(os.environ.get("NO_COLOR")))
        for theme in THEMES:
            self.register_theme(theme)
        if not os.environ.get("TEXTUAL_THEME") and not os.environ.get("NO_COLOR"):
            # before anything is styled: set later, all of it would be styled and painted twice
            self.set_reactive(InOrderApp.theme, THEMES[0].name)
            self.stylesheet.set_variables(self.get_css_variables())
        self._given, self._fresh = session, fresh
        self._sources = sources or Sources()
        self._state_file = state_file
        self._asked_to_leave = False
        if os.environ.get("SSH_CONNECTION") and not os.environ.get("TEXTUAL_ANIMATIONS"):
            self.animation_level = "none"

    @cached_property
    def session(self) -> Session:
        """What was given, or a new one that offers to go on with the one that was left."""
        if self._given is not None:
            return self._given
        from wizard_tui.tui.session import Session

        session = Session()
        if self._state_file is not None and not self._fresh and (left := self._state_file.newest_left()):
            with suppress(ValueError):
                session.offer(left.state, datetime.fromtimestamp(left.saved_at).astimezone())
        return session

    def get_default_screen(self) -> Screen[None]:
        """Ours is the first: a screen beneath it would be styled, and painted through it, once for nothing."""
        return WizardScreen(lambda: self.session, self._sources, self._save)

    def on_mount(self) -> None:
        """An orderly end for the signals that a lost line sends."""
        for number in (signal.SIGHUP, signal.SIGTERM):
            with suppress(NotImplementedError, ValueError, RuntimeError):
                asyncio.get_running_loop().add_signal_handler(number, self._line_lost)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """What our style sheets use beside Textual's own variables."""
        return DEFAULT_VARIABLES

    async def run_action(self, *action: Any, **more: Any) -> bool:
        """As Textual does it, with the plan of all that was typed before."""
        self._wizard().bring_up_to_date()
        return await super().run_action(*action, **more)

    def action_command_palette(self) -> None:
        """Open the menu: every action, step and field."""
        from wizard_tui.tui.palette import MenuProvider, Palette

        self._open(Palette(MenuProvider, "an action, a step or a field"))

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
        """Save and go; the command is what remains. A server that runs is asked about first."""
        launcher = self._wizard().launcher
        if launcher is not None and launcher.watch is not None and launcher.runs:
            from wizard_tui.tui.screens.leave import LeaveScreen

            if not isinstance(self.screen, LeaveScreen):
                self.push_screen(LeaveScreen(launcher.watch.record.name), self._leave_server)
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

    def _line_lost(self) -> None:
        self._save()
        self.exit("", return_code=0)

    def _fatal_error(self) -> None:
        # Textual's own traceback shows local variables, in which there may be a token
        from rich.traceback import Traceback

        self.bell()
        self.panic(Traceback(width=None))

    def _save(self) -> None:
        if self._state_file is not None:
            self._state_file.save(self.session.saved())

    def _wizard(self) -> WizardScreen:
        return next(screen for screen in self.screen_stack if isinstance(screen, WizardScreen))


def run(*, profile: Profile | None = None, fresh: bool = False, mouse: bool = True) -> None:
    """Open the wizard, where the last session ended or with a profile, and print the command when it is left."""
    from wizard_tui.tui.state_file import StateFile

    session = None
    if profile is not None:
        from wizard_tui.tui.session import Session

        session = Session()
        session.open_profile(profile)
    command = WizardApp(session, state_file=StateFile(), fresh=fresh).run(mouse=mouse)
    if command:
        sys.stdout.write(command.rstrip("\n") + "\n")
