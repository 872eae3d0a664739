"""The menu: every action, step, field and theme, by its name or by what it does."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from tests.tui.conftest import opened, settled, typed, until
from wizard_tui.tui.fields import TITLES, all_fields
from wizard_tui.tui.keys import KEYS
from wizard_tui.tui.palette import Palette
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.theme import THEMES


def rows(pilot: Pilot[str]) -> list[str]:
    listed = pilot.app.screen.query_one(OptionList)
    return [str(listed.get_option_at_index(index).prompt) for index in range(listed.option_count)]


async def choose(pilot: Pilot[str], words: str, row: str) -> None:
    """Open the menu, type, and take the line that begins so."""
    await pilot.press("ctrl+k")
    await typed(pilot, words)
    await until(
        pilot, lambda: isinstance(pilot.app.screen, Palette) and rows(pilot)[:1] and rows(pilot)[0].startswith(row)
    )
    await pilot.press("enter")
    await until(pilot, lambda: not isinstance(pilot.app.screen, Palette))
    await settled(pilot)


async def test_it_lists_everything() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n", "ctrl+k")
        wanted = [binding.description for bindings in KEYS.values() for binding in bindings if binding.id != "menu"]
        wanted += [f"Go to {title}" for _, title in TITLES]
        wanted += [f"Field {field.label.strip()}" for field in all_fields().values()]
        wanted += [f"Theme {theme.name}" for theme in THEMES]
        await until(pilot, lambda: isinstance(pilot.app.screen, Palette) and len(rows(pilot)) >= len(wanted))
        found = rows(pilot)
        assert [name for name in wanted if not any(row.startswith(f"{name}  ") for row in found)] == []
        assert len(found) == len(wanted), "and nothing of Textual's own"


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
        await until(pilot, lambda: isinstance(pilot.app.screen, Palette) and len(rows(pilot)) > 3)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
