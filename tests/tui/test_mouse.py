"""Everything that names a key or a place answers to the mouse as well."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from tests.tui.conftest import opened, settled, text_of
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.tui.keys import BAR, WIZARD_KEYS
from wizard_tui.tui.screens.page import Page
from wizard_tui.tui.session import Session
from wizard_tui.tui.widgets.artifact_preview import ArtifactPreview


def session_of(pilot: Pilot[str]) -> Session:
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    return session


async def click_on(pilot: Pilot[str], panel: str, words: str) -> None:
    """Click on the first place where a panel says these words."""
    for y, line in enumerate(text_of(pilot, panel).splitlines()):
        if words in line:
            assert await pilot.click(panel, offset=(line.index(words), y))
            await settled(pilot)
            return
    raise AssertionError(f"{words} is not to be seen on {panel}")


@pytest.mark.parametrize("name", [name for name in BAR if name != "panels"])
async def test_each_key_on_the_bottom_line_does_as_a_button_what_it_does_as_a_key(name: str) -> None:
    (binding,) = (one for one in WIZARD_KEYS if one.id == name)
    done = []
    for by_mouse in (True, False):
        async with opened(workload__concurrency="3") as pilot:
            await pilot.press("ctrl+n")
            if by_mouse:
                await click_on(pilot, "#keys", f"{binding.key_display} ")
            else:
                await pilot.press(binding.key.partition(",")[0])
            await settled(pilot)
            done.append((type(pilot.app.screen), session_of(pilot).step, session_of(pilot).texts, pilot.app.is_running))
    assert done[0] == done[1]


async def test_a_suggestion_is_taken_where_it_stands() -> None:
    async with opened(hardware__gpu="RTX 4090", model__max_model_len="131072") as pilot:
        assert session_of(pilot).response.feasibility.suggestions  # type: ignore[union-attr]
        await click_on(pilot, "#feasibility", "F4")
        assert session_of(pilot).response.feasibility.fits  # type: ignore[union-attr]


async def test_a_tab_of_the_preview_is_opened_where_it_stands() -> None:
    async with opened() as pilot:
        await click_on(pilot, "#preview-tabs", "compose")
        assert pilot.app.screen.query_one(ArtifactPreview).name_shown == "compose"
        assert "services:" in text_of(pilot, "#preview-text")


async def test_a_model_that_fits_is_taken_where_it_stands() -> None:
    async with opened(gpus=(get_gpu_by_name("RTX 4090"),) * 2) as pilot:
        for _ in range(3):
            await settled(pilot)
        third = list(session_of(pilot).proposals)[2]
        await click_on(pilot, "#welcome-lines", third)
        assert session_of(pilot).texts["model.model"] == third


async def test_another_way_is_taken_where_it_stands() -> None:
    async with opened((120, 60), hardware__gpu="RTX 4090", hardware__gpus="2") as pilot:
        await pilot.press(*["ctrl+n"] * 5)
        await settled(pilot)
        second = session_of(pilot).alternatives()[1]
        pilot.app.screen.query_one("#review").scroll_end(animate=False)
        await settled(pilot)
        await click_on(pilot, "#review-lines", f"2 {second.title}")
        assert session_of(pilot).plan.decision.request.model.max_model_len == second.max_model_len  # type: ignore[union-attr]


async def test_a_label_leads_to_its_field_and_the_step_line_to_its_step() -> None:
    async with opened() as pilot:
        await click_on(pilot, "#stepper", "Policy")
        assert session_of(pilot).step == "policy"
        await click_on(pilot, "#row-policy-port", "port")
        assert pilot.app.focused is not None
        assert pilot.app.focused.id == "policy-port"


async def test_a_choice_turns_both_ways() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n")
        await pilot.click("#model-dtype", offset=(8, 0))
        first = session_of(pilot).texts["model.dtype"]
        assert first != "auto"
        await pilot.click("#model-dtype", offset=(0, 0))
        assert session_of(pilot).texts["model.dtype"] == "auto"


async def test_a_page_stays_until_it_is_closed() -> None:
    async with opened() as pilot:
        await click_on(pilot, "#keys", "F12")
        page: Screen[object] = pilot.app.screen
        assert isinstance(page, Page)
        await pilot.press("escape")
        assert pilot.app.screen is not page
