"""The menu: every action, step, field and theme, by its name or by what it does."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import TITLES, opened, settled, typed
from tests.tui.palettes import listed, under_cursor
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.keys import KEYS
from wizard_tui.tui.palette import Offer, Palette, ranked
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.theme import THEMES


async def choose(pilot: Pilot[str], words: str, row: str) -> None:
    """Open the menu, type, and take the first line, which has this name."""
    await pilot.press("ctrl+k")
    await typed(pilot, words)
    assert under_cursor(pilot) == row
    await pilot.press("enter")
    assert not isinstance(pilot.app.screen, Palette)
    await settled(pilot)


async def test_it_lists_everything() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n", "ctrl+k")
        wanted = [binding.description for bindings in KEYS.values() for binding in bindings if binding.id != "menu"]
        wanted += [f"Go to {title}" for _, title in TITLES]
        wanted += [f"Field {field.label.strip()}" for field in all_fields().values()]
        wanted += [f"Theme {theme.name}" for theme in THEMES]
        found = listed(pilot)
        while len(found) < len(wanted):
            page = listed(pilot)
            await pilot.press("pagedown")
            assert listed(pilot) != page, "there is more on the next page"
            found += listed(pilot)
        assert [name for name, _ in found] == wanted, "and nothing of Textual's own"


@pytest.mark.parametrize(
    ("words", "row", "field"),
    [
        ("lora adapters", "Field LoRA adapters", "policy-lora_modules"),
        ("fp8 halves", "Field kv cache dtype", "model-kv_cache_dtype"),
    ],
)
async def test_a_field_is_found_by_its_name_and_by_its_help(words: str, row: str, field: str) -> None:
    async with opened() as pilot:
        await choose(pilot, words, row)
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == field
        await pilot.press("escape")


async def test_it_opens_from_within_a_field_which_keeps_its_text() -> None:
    async with opened(model__max_model_len="4096") as pilot:
        await pilot.press("ctrl+n", "tab", "home")
        await choose(pilot, "go to policy", "Go to Policy")
        assert pilot.app.session.step == "policy"  # type: ignore[attr-defined]
        assert pilot.app.session.texts["model.max_model_len"] == "4096"  # type: ignore[attr-defined]


async def test_an_action_of_the_menu_is_that_of_its_key() -> None:
    async with opened(workload__concurrency="9") as pilot:
        await choose(pilot, "undo", "Undo")
        assert pilot.app.session.texts["workload.concurrency"] == "1"  # type: ignore[attr-defined]
        await choose(pilot, "redo", "Redo")
        assert pilot.app.session.texts["workload.concurrency"] == "9"  # type: ignore[attr-defined]
        await choose(pilot, "theme wizard-light", "Theme wizard-light")
        assert pilot.app.theme == "wizard-light"


async def test_escape_closes_it() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+k")
        assert isinstance(pilot.app.screen, Palette)
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, WizardScreen)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", ["Undo", "Redo", "Theme undone", "Quit"]),
        ("undo", ["Undo", "Theme undone"]),
        ("one", ["Theme undone", "Undo"]),
        ("done theme", ["Theme undone"]),
        ("tmu", ["Theme undone"]),
        ("edit", ["Undo", "Redo"]),
        ("last edit", ["Undo"]),
        ("edir", []),
    ],
)
def test_names_come_before_sentences_and_whole_words_before_letters(words: str, found: list[str]) -> None:
    does = {"Undo": "the last one is taken back, an edit", "Redo": "an edit again", "Theme undone": "", "Quit": ""}
    offers = [Offer(name, sentence, lambda: None) for name, sentence in does.items()]
    assert [offer.name for offer in ranked(words, offers)] == found
