"""Pages and dialogs at awkward moments: all keys at once, twice, while they open or close."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from tests.tui.conftest import opened, settled, until
from tests.tui.palettes import listed, under_cursor
from wizard_tui.tui.modal import QuietModal
from wizard_tui.tui.painting import push
from wizard_tui.tui.palette import Offer, Palette, Provider
from wizard_tui.tui.screens.leave import LeaveScreen
from wizard_tui.tui.screens.page import Page
from wizard_tui.tui.screens.pages import plots_page, why_page, words_page
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.screens.write_files import WriteFilesScreen
from wizard_tui.tui.session import Session

NAMES = {" ": "space", "-": "minus"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def at_once(pilot: Pilot[str], keys: Sequence[str]) -> None:
    """Send keys as a terminal does when it gets them all in one packet."""
    for key in keys:
        pilot.app.post_message(events.Key(NAMES.get(key, key), key if len(key) == 1 else None))


async def done(pilot: Pilot[str]) -> None:
    """Wait until all keys that were sent have acted."""
    for _ in range(3):
        await settled(pilot)


def session_of(pilot: Pilot[str]) -> Session:
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    return session


def reached(pilot: Pilot[str]) -> dict[str, object]:
    """Where the user is, with what was typed."""
    session, screen = session_of(pilot), pilot.app.screen
    focused = screen.focused
    return {
        "screens": [type(one).__name__ for one in pilot.app.screen_stack],
        "step": session.step,
        "texts": dict(session.texts),
        "focus": focused and focused.id,
        "value": getattr(focused, "value", None),
        "choice": under_cursor(pilot) if isinstance(screen, Palette) else "",
        "theme": pilot.app.theme,
        "files": sorted(path.name for path in Path("vllm-deploy").glob("*")),
    }


@pytest.mark.parametrize(
    "keys",
    [
        ("ctrl+k", "ctrl+k"),
        ("ctrl+k", "escape", "escape"),
        ("ctrl+k", "enter", "enter"),
        ("ctrl+k", *"go to work", "enter", *"77"),
        ("ctrl+k", *"go to", "down", *" p"),
        ("ctrl+k", *"theme", "tab", "enter", "ctrl+k", *"redo", "enter"),
        ("ctrl+k", *"find", "enter", *"qwen3 32b", "enter"),
        ("ctrl+k", *"write", "enter", "tab", "ctrl+u", *"serve", "enter", *"9"),
        ("ctrl+k", *"write", "enter", "f9", "enter"),
        ("ctrl+k", *"where every", "enter", "ctrl+p", *"9"),
        ("f1", "f1"),
        ("f1", "f12", "escape", "f12"),
        ("f9", "f9"),
        ("ctrl+p", "ctrl+p", "ctrl+g", "ctrl+g"),
        ("ctrl+f", "ctrl+f"),
    ],
    ids="".join,
)
async def test_keys_that_come_all_at_once_end_where_they_end_one_by_one(keys: Sequence[str], here: Path) -> None:
    ends = []
    for all_at_once in (False, True):
        for path in here.glob("*/*"):
            path.unlink()
        async with opened(workload__concurrency="3") as pilot:
            # on the form of the workload, in the field of the prompt's length
            await pilot.press("ctrl+n", "ctrl+n", "ctrl+n", "ctrl+u", "1")
            await settled(pilot)
            if all_at_once:
                at_once(pilot, keys)
            else:
                for key in keys:
                    await pilot.press(NAMES.get(key, key))
            await done(pilot)
            ends.append(reached(pilot))
    assert ends[1] == ends[0]


@pytest.mark.parametrize("seed", range(4))
async def test_no_keys_clicks_or_sizes_end_the_wizard(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311
    keys = [
        *(
            "ctrl+k",
            "ctrl+f",
            "f1",
            "f12",
            "ctrl+p",
            "ctrl+g",
            "f9",
            "enter",
            "escape",
            "tab",
            "down",
            "up",
            "pagedown",
        ),
        *"uqwen",
    ]
    async with opened() as pilot:
        for _ in range(25):
            at_once(pilot, dice.choices(keys, k=dice.randint(1, 6)))
            if dice.random() < 0.3:
                await pilot.click(offset=(dice.randrange(20, 60), dice.randrange(1, 14)), times=2)
            if dice.random() < 0.2:
                await pilot.resize_terminal(*dice.choice([(120, 36), (80, 24), (60, 16), (40, 8)]))
        await done(pilot)
        assert pilot.app.is_running
        assert isinstance(pilot.app.screen_stack[0], WizardScreen)
        await pilot.press("escape", "escape")
        assert isinstance(pilot.app.screen, WizardScreen)


MADE: dict[str, Callable[[Session], Screen[None] | None]] = {
    "words": lambda session: words_page(),
    "why": why_page,
    "plots": plots_page,
    "leave": lambda session: LeaveScreen("qwen"),  # type: ignore[return-value, arg-type]
    "write": lambda session: WriteFilesScreen(*(session.plan_to_keep() or ())),  # type: ignore[return-value, arg-type]
    "palette": lambda session: Palette(Counted(), ""),
}


class Counted(Provider):
    """Two offers that count how often they are taken."""

    taken: list[str]

    def offers(self, text: str) -> Sequence[Offer]:
        """Both."""
        return [Offer(name, "", lambda name=name: self.taken.append(name)) for name in ("first", "second")]  # type: ignore[misc]


@pytest.mark.parametrize("name", MADE)
async def test_a_dialog_closed_before_it_is_drawn_or_twice_closes_nothing_else(name: str) -> None:
    answers: list[object] = []
    async with opened() as pilot:
        page = MADE[name](session_of(pilot))
        assert isinstance(page, QuietModal)
        push(pilot.app, page, answers.append)
        below = words_page() if not isinstance(page, Page) else why_page(session_of(pilot))
        assert below is not None
        pilot.app.push_screen(below)
        page.dismiss(None)
        assert pilot.app.screen is below, "not the one on top of it"
        below.dismiss()
        page.dismiss(None)
        page.dismiss(None)
        await settled(pilot)
        assert isinstance(pilot.app.screen, WizardScreen)
        assert answers == [None], "and it answers once"


async def test_each_kind_of_page_is_opened_once() -> None:
    async with opened() as pilot:
        for _ in range(2):
            push(pilot.app, Palette(Counted(), ""))
        await settled(pilot)
        assert len(pilot.app.screen_stack) == 2


@pytest.mark.parametrize("how", ["clicks", "enters", "both"])
async def test_a_chosen_offer_runs_once(how: str) -> None:
    Counted.taken = []
    async with opened() as pilot:
        palette = Palette(Counted(), "")
        push(pilot.app, palette)
        await until(pilot, lambda: palette.is_mounted and listed(pilot))
        if how != "enters":
            palette.action_take_row(1)
            palette.action_take_row(1)
        if how != "clicks":
            at_once(pilot, ("enter", "enter"))
        await done(pilot)
        assert Counted.taken == ["first" if how == "enters" else "second"]
        assert isinstance(pilot.app.screen, WizardScreen)


async def test_a_row_is_taken_by_a_click_and_the_wheel_moves_the_cursor() -> None:
    Counted.taken = []
    async with opened() as pilot:
        for panel, offset in (("#names", (3, 1)), ("#does", (0, 1))):
            palette = Palette(Counted(), "")
            push(pilot.app, palette)
            await until(pilot, lambda palette=palette: palette.is_mounted and listed(pilot))  # type: ignore[misc]
            assert await pilot.click(panel, offset=offset)
            await done(pilot)
        assert Counted.taken == ["second", "second"]
        palette = Palette(Counted(), "")
        push(pilot.app, palette)
        await until(pilot, lambda: palette.is_mounted and listed(pilot))
        for turned, name in ((events.MouseScrollDown, "second"), (events.MouseScrollUp, "first")):
            for _ in range(2):
                palette.query_one("#names").post_message(
                    turned(None, 0, 0, 0, 0, 0, shift=False, meta=False, ctrl=False)
                )
            await settled(pilot)
            assert under_cursor(pilot) == name


@pytest.mark.parametrize("size", [(60, 16), (120, 36), (40, 8)])
async def test_the_cursor_stays_on_the_page_whatever_the_size(size: tuple[int, int]) -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+k", "pagedown", "down", "down")
        chosen = under_cursor(pilot)
        await pilot.resize_terminal(*size)
        await settled(pilot)
        assert under_cursor(pilot) == chosen
        await pilot.press("up", "down")
        assert under_cursor(pilot) == chosen


async def test_a_file_whose_difference_was_not_shown_is_not_replaced(here: Path) -> None:
    script = here / "vllm-deploy" / "serve.sh"
    script.parent.mkdir()
    script.write_text("my own line\n")
    async with opened() as pilot:
        await pilot.press("f9", "tab", "ctrl+u", *"config", "enter")
        await pilot.press("f9")
        assert isinstance(pilot.app.screen, WriteFilesScreen)
        await pilot.press("tab", "ctrl+u", *"serve", "enter")
        # the letters are in the field, and the screen has not heard of them yet
        with pilot.app.screen.prevent(Input.Changed):
            pilot.app.screen.query_one("#emit", Input).value = "serve config"
        at_once(pilot, ("enter",))
        await done(pilot)
        assert script.read_text() == "my own line\n", "what is to be written has changed: shown, and asked again"
        await pilot.press("enter")
        await settled(pilot)
    assert "vllm serve" in script.read_text()
