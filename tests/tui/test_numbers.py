"""The pages behind the numbers: why, and plots."""

from __future__ import annotations

import pytest

from tests.tui.conftest import opened, settled, text_of
from wizard_tui.tui.screens.page import Page
from wizard_tui.tui.screens.plots import PlotsScreen
from wizard_tui.tui.screens.wizard import WizardScreen


async def test_one_key_explains_every_number() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n", "ctrl+p")
        await settled(pilot)
        assert isinstance(pilot.app.screen, Page)
        said = text_of(pilot, "#page-lines")
        response = pilot.app.session.response  # type: ignore[attr-defined]
        assert f"{response.kv_cache.tokens:,} tokens" in said
        assert "Model loading took" in said
        await pilot.press("ctrl+p")
        assert isinstance(pilot.app.screen, WizardScreen)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_plots_are_readable(size: tuple[int, int]) -> None:
    async with opened(size, workload__concurrency="4") as pilot:
        await pilot.press("ctrl+n", "ctrl+g")
        await settled(pilot)
        assert isinstance(pilot.app.screen, PlotsScreen)
        shown = pilot.app.export_screenshot(simplify=True)
        for words in ("TTFT", "TPOT", "waiting", "requests", "planned"):
            assert words in shown
        assert "planned concurrency, 4" in text_of(pilot, "#plot-words")
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, WizardScreen)


async def test_before_there_is_a_plan_nothing_opens() -> None:
    async with opened(model__model="unheard-of") as pilot:
        await pilot.press("ctrl+p", "ctrl+g")
        await settled(pilot)
        assert isinstance(pilot.app.screen, WizardScreen)


async def test_a_plan_that_does_not_fit_has_its_pages_too() -> None:
    async with opened(model__model="llama-70b", hardware__gpu="RTX 4090") as pilot:
        await pilot.press("ctrl+p")
        await settled(pilot)
        assert isinstance(pilot.app.screen, Page)
        await pilot.press("escape", "ctrl+g")
        await settled(pilot)
        assert isinstance(pilot.app.screen, PlotsScreen)
