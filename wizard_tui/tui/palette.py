"""The palette: a list that is searched as you type. The menu is one: every action, step, field and theme, by its name
or by what it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

from wizard_tui.errors import Refusal, fault
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.keys import KEYS, at_hand
from wizard_tui.tui.modal import QuietModal
from wizard_tui.tui.sizes import FOOT_ROWS
from wizard_tui.tui.theme import THEMES
from wizard_tui.tui.widgets.entry import Entry
from wizard_tui.tui.widgets.line_view import Line, LineView, cut, shown, wrapped
from wizard_tui.tui.widgets.quiet import QuietHorizontal, QuietVertical

if TYPE_CHECKING:
    from wizard_tui.tui.steps.step import Wizard

KEY_COLUMNS = 6
LONGEST_WAIT_S = 1.0
"""How long keys wait for a provider to get ready: a disk may never answer."""
MARK, GAP = "› ", "  "


class Offer(NamedTuple):
    """A line of the list; `run` may be a coroutine function."""

    name: str
    does: str
    run: Callable[[], Any]


class Provider:
    """The source of a palette's offers."""

    name_columns = 26

    async def get_ready(self) -> None:
        """Fetch, once, the data that `offers` searches. Slow work is done in a thread."""

    def offers(self, text: str) -> Sequence[Offer]:
        """Matches found at once, the best first."""
        raise NotImplementedError

    async def further(self, text: str) -> Sequence[Offer]:
        """Matches that take time to find. Raises Refusal or OSError with one plain sentence."""
        return ()

    async def looked_into(self, offers: Iterable[Offer]) -> AsyncIterator[None]:
        """Work out slow details of these offers; yields whenever a line has more to show."""
        return
        yield

    def does(self, offer: Offer) -> str:
        """The text behind the name, as far as it is known."""
        return offer.does


class Typed(Message):
    """Something was typed. When keys arrive at once, only the last starts a search."""

    def can_replace(self, message: Message) -> bool:
        """A newer one replaces this one."""
        return isinstance(message, Typed)


class Palette(QuietModal[None]):
    """A line to type in, above one page of a list. The chosen offer runs once, when the list is closed.

    A page and not a list that scrolls: at its end one picture is sent for ten lines, and not one for each.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Close", show=False),
        Binding("enter", "take", "Take", show=False),
        Binding("down,ctrl+n,tab", "move(1)", "Next", show=False),
        Binding("up,ctrl+p,shift+tab", "move(-1)", "Previous", show=False),
        Binding("pagedown", "turn(1)", "Next page", show=False),
        Binding("pageup", "turn(-1)", "Previous page", show=False),
    ]

    def __init__(self, provider: Provider, placeholder: str) -> None:
        super().__init__()
        self._provider = provider
        self._entry = Entry("", id="wanted", placeholder=placeholder, on_edit=self._changed)
        # side by side, and not one: Textual sends a row from its widget's left edge on
        self._names, self._does = LineView(id="names"), LineView(id="does")
        self._foot = LineView(id="foot")
        self._text: str | None = None
        self._offers: list[Offer] = []
        self._further: Sequence[Offer] = ()
        self._at = 0
        self._problem = ""

    def compose(self) -> ComposeResult:
        """The line to type in, and the list."""
        with QuietVertical(id="dialog"):
            yield self._entry
            with QuietHorizontal(id="offers"):
                yield self._names
                yield self._does
            yield self._foot

    def on_mount(self) -> None:
        """Open at once, whatever the provider still has to fetch."""
        self._names.styles.width = len(MARK) + self._provider.name_columns + len(GAP)
        self._ready = asyncio.get_running_loop().create_future()
        self._get_ready()

    @work(group="ready")
    async def _get_ready(self) -> None:
        try:
            await self._provider.get_ready()
        finally:
            self._ready.set_result(None)
        if self._text is not None:
            self._list()
            self._show()
            self._look_into_page()

    def on_resize(self) -> None:
        """A page has as many lines as there is room for."""
        self.call_after_refresh(self._search)

    def _changed(self, text: str) -> None:
        self.post_message(Typed())

    @on(Typed)
    def _typed(self) -> None:
        if self._entry.value != self._text:
            self._search()

    async def action_take(self) -> None:
        """Take the offer under the cursor, once the list is up to date with what was typed."""
        await self._bring_up_to_date()
        await self._take(self._at)

    async def action_move(self, by: int) -> None:
        """Move the cursor."""
        await self._bring_up_to_date()
        self._move(by)

    async def action_turn(self, by: int) -> None:
        """Turn the page."""
        await self._bring_up_to_date()
        self._move(by * self._rows)

    def action_take_row(self, row: int) -> None:
        """Take what stands on a row of the page."""
        # run by the application, as for a key: what runs in a widget ends with it
        self.app.call_later(self._take, self._first + row)

    def on_mouse_scroll_down(self) -> None:
        """The wheel moves the cursor."""
        self._move(1)

    def on_mouse_scroll_up(self) -> None:
        """The wheel moves the cursor."""
        self._move(-1)

    async def _bring_up_to_date(self) -> None:
        """A key acts on the list for all text typed before it."""
        if not self._ready.done():
            await asyncio.wait({self._ready}, timeout=LONGEST_WAIT_S)
        self._typed()

    async def _take(self, at: int) -> None:
        if not self.on_top or at >= len(self._offers):
            return
        self.dismiss()
        done = self._offers[at].run()
        if isawaitable(done):
            await done

    def _move(self, by: int) -> None:
        first, self._at = self._first, max(0, min(len(self._offers) - 1, self._at + by))
        self._show()
        if self._first != first:
            self._look_into_page()

    def _search(self) -> None:
        text = self._entry.value
        if text != self._text:
            self._text, self._at, self._problem, self._further = text, 0, "", ()
            self._list()
            self._ask_further(text)
        self._show()
        self._look_into_page()

    def _list(self) -> None:
        self._offers = list(self._provider.offers(self._text or ""))
        names = {offer.name for offer in self._offers}
        self._offers += [offer for offer in self._further if offer.name not in names]

    @work(exclusive=True, group="further", exit_on_error=False)
    async def _ask_further(self, text: str) -> None:
        try:
            self._further = await self._provider.further(text)
        except (Refusal, OSError) as error:
            self._problem = str(error)
        except Exception as error:
            self._problem = fault(error, "the search failed")
        else:
            self._list()
        self._show()
        self._look_into_page()

    @work(exclusive=True, group="page", exit_on_error=False)
    async def _look_into_page(self) -> None:
        async for _ in self._provider.looked_into(self._page()):
            self._show()

    # the page

    @property
    def _rows(self) -> int:
        return max(1, self._names.size.height)

    @property
    def _first(self) -> int:
        return self._at // self._rows * self._rows

    def _page(self) -> list[Offer]:
        return self._offers[self._first : self._first + self._rows]

    def _show(self) -> None:
        page, cursor, room = self._page(), self._at - self._first, self._does.size.width
        clicks = {row: [(self.size.width, f"screen.take_row({row})")] for row in range(len(page))}
        self._names.show([self._drawn(offer, row == cursor) for row, offer in enumerate(page)], clicks)
        self._does.show([((cut(shown(self._provider.does(offer)), room), "dim"),) for offer in page], clicks)
        self._foot.show(self._said(len(page)))

    def _drawn(self, offer: Offer, under_cursor: bool) -> Line:
        name = cut(shown(offer.name), self._provider.name_columns)
        return ((f"{MARK}{name}", "changed") if under_cursor else (f"{' ' * len(MARK)}{name}", ""),)

    def _said(self, count: int) -> list[Line]:
        if self._problem:
            return wrapped(self._problem, self._foot.size.width, style="warn", rows=FOOT_ROWS)
        if self._offers:
            place = f"{self._first + 1} to {self._first + count} of {len(self._offers)}"
            return [((f"{place}. Enter takes, Escape closes.", "dim"),)]
        return [(("nothing is found here" if self._text else "", "dim"),)]


class MenuProvider(Provider):
    """Actions in the order of the page of keys, then steps, fields and themes."""

    def __init__(self, wizard: Wizard) -> None:
        self._all = list(_everything(wizard))

    def offers(self, text: str) -> Sequence[Offer]:
        """Everything before anything is typed, then what matches."""
        return ranked(text, self._all)


def _everything(wizard: Wizard) -> Iterator[Offer]:
    app = wizard.app
    for node, binding, _, _ in at_hand(wizard.screen):
        # an action with an argument concerns one of many things on screen, and its key is written beside it
        if "(" not in binding.action:
            run = partial(app.run_action, binding.action, node)
            yield _offer(binding.description, "on this step", run, binding.key_display or binding.key)
    for binding in (binding for bindings in KEYS.values() for binding in bindings if binding.id != "menu"):
        run = partial(app.run_action, binding.action, wizard.screen)
        yield _offer(binding.description, binding.tooltip, run, binding.key.partition(",")[0])
    for step in wizard.steps:
        yield _offer(f"Go to {step.title}", f"the step {step.title}", partial(wizard.go, step.name))
    for path, field in all_fields().items():
        yield _offer(f"Field {field.label.strip()}", field.help, partial(wizard.focus_path, path))
    for theme in THEMES:
        yield _offer(f"Theme {theme.name}", "change the colours", partial(setattr, app, "theme", theme.name))


def ranked(text: str, offers: Iterable[Offer]) -> list[Offer]:
    """First those with all words of `text` in their name, then with its letters in the name in order, then with all
    words in what they do; equals keep their order."""
    found = [(place, offer) for offer in offers if (place := _place(text.lower(), offer)) is not None]
    return [offer for _, offer in sorted(found, key=lambda one: one[0])]


def _place(text: str, offer: Offer) -> int | None:
    name, words = offer.name.lower(), text.split()
    letters = iter(name)
    tests = (
        name.startswith(text),
        f" {text}" in name,
        text in name,
        all(word in name for word in words),
        all(letter in letters for letter in text),
        all(word in offer.does.lower() for word in words),
    )
    return next((place for place, passed in enumerate(tests) if passed), None)


def _offer(name: str, does: str, run: Callable[[], Any], key: str = "") -> Offer:
    return Offer(name, f"{key:<{KEY_COLUMNS}}  {does}", run)
