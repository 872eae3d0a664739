"""The last step: start a server, follow it, and compare it with the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.tui.steps.step import Step, Wizard
from wizard_tui.tui.widgets.quiet import QuietVertical

if TYPE_CHECKING:
    from wizard_tui.tui.widgets.launch import LaunchView


class LaunchStep(Step):
    """Its widgets, and all that starts servers, are loaded on the first visit."""

    name, title = "launch", "Launch"
    stands_alone = True
    is_built_ahead = False

    def __init__(self) -> None:
        self._view: LaunchView | None = None

    def view(self, wizard: Wizard) -> QuietVertical:
        """The place for what `build` mounts."""
        self._place = QuietVertical(id=self.name)
        return self._place

    async def build(self, wizard: Wizard) -> None:
        """Load and mount the view."""
        from wizard_tui.launch.launcher import Launcher
        from wizard_tui.tui.widgets.launch import LaunchView

        if self._view is not None:
            return
        wizard.launcher = wizard.launcher or Launcher(look=wizard.sources.look)
        self._view = LaunchView(wizard.session, wizard.launcher, id="launch-view", on_patch=wizard.patch)
        await self._place.mount(self._view)

    def focus_on(self, path: str | None = None) -> LaunchView | None:
        """The view, which has keys of its own."""
        return self._view

    def opened(self) -> None:
        """Look at the machine once, and for a server that still runs."""
        if self._view is not None:
            self._view.opened()
