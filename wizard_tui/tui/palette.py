"""The menu: every action, step, field and theme by its name or by what it does, found as you type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rich.text import Text
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, Hit, Hits, Provider, ProviderSource, SearchIcon
from textual.widgets import Input

from wizard_tui.tui.fields import TITLES, all_fields
from wizard_tui.tui.keys import KEYS, at_hand
from wizard_tui.tui.painting import painted_once
from wizard_tui.tui.theme import THEMES
from wizard_tui.tui.widgets.line_view import shown

if TYPE_CHECKING:
    from wizard_tui.tui.screens.wizard import WizardScreen

# below every match of a name
BY_SENTENCE = 0.001
NAME_COLUMNS, KEY_COLUMNS = 26, 6


class Offer(NamedTuple):
    """A line of the menu."""

    name: str
    does: str
    run: Callable[[], Any]


class Palette(CommandPalette):
    """Textual's palette, in the width of our pages and without a picture that a console's font lacks."""

    def __init__(self, provider: type[Provider], placeholder: str) -> None:
        providers: ProviderSource = [provider]
        super().__init__(providers=providers, placeholder=placeholder)

    def on_mount(self) -> None:
        """A blinking cursor would send a kilobyte a second."""
        self.query_one(SearchIcon).icon = ">"
        self.query_one(Input).cursor_blink = False

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Close."""
        with painted_once(self.app):
            return super().dismiss(result)


class MenuProvider(Provider):
    """Actions in the order of the page of keys, then steps, fields and themes."""

    async def discover(self) -> Hits:
        """Everything, before anything is typed."""
        for place, offer in enumerate(self._offers()):
            yield hit(1 - place / 1000, *offer)

    async def search(self, query: str) -> Hits:
        """What has the typed letters in its name, and then what has them in its sentence."""
        matcher = self.matcher(query)
        for offer in self._offers():
            if by_name := matcher.match(offer.name):
                yield hit(by_name, *offer)
            elif query.lower() in offer.does.lower():
                yield hit(BY_SENTENCE, *offer)

    def _offers(self) -> Iterator[Offer]:
        wizard = cast("WizardScreen", self.screen)
        for node, binding, _, _ in at_hand(wizard):
            # what takes an argument is about one of many things on screen, and its key is written beside it
            if "(" not in binding.action:
                run = partial(self.app.run_action, binding.action, node)
                yield _offer(binding.description, "on this step", run, binding.key_display or binding.key)
        for binding in (binding for bindings in KEYS.values() for binding in bindings if binding.id != "menu"):
            run = partial(self.app.run_action, binding.action, wizard)
            yield _offer(binding.description, binding.tooltip, run, binding.key.partition(",")[0])
        for step, title in TITLES:
            yield _offer(f"Go to {title}", f"the step {title}", partial(wizard.go, step))
        for path, field in all_fields().items():
            yield _offer(f"Field {field.label.strip()}", field.help, partial(wizard.focus_path, path))
        for theme in THEMES:
            yield _offer(f"Theme {theme.name}", "change the colours", partial(setattr, self.app, "theme", theme.name))


def _offer(name: str, does: str, run: Callable[[], Any], key: str = "") -> Offer:
    return Offer(name, f"{key:<{KEY_COLUMNS}}  {does}", run)


def hit(score: float, name: str, does: str, run: Callable[[], Any], columns: int = NAME_COLUMNS) -> Hit:
    """A line with what it does behind its name, neither of which is read as markup."""
    return Hit(score, Text.assemble(f"{shown(name):<{columns}}  ", (shown(does), "dim")), run, text=name)
