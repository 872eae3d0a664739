"""Small windows: what matters stays in sight, and a sentence says what is missing."""

from __future__ import annotations

import pytest

from tests.tui.conftest import ORDER, TITLES, opened, picture, settled, text_of, typed
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.sizes import HELP_ROWS
from wizard_tui.tui.widgets.line_view import wrapped

LABEL_COLUMNS = 17


@pytest.mark.parametrize(("columns", "rows"), [(60, HELP_ROWS), (80, HELP_ROWS), (100, 1), (120, 1)])
def test_no_help_is_cut_off(columns: int, rows: int) -> None:
    for field in all_fields().values():
        assert len(wrapped(field.help, columns - 2)) <= rows, field.path


def test_labels_leave_a_blank_before_their_field() -> None:
    assert [field.label for field in all_fields().values() if len(field.label) > LABEL_COLUMNS] == []


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
async def test_the_bottom_line_always_holds_the_way_on_the_help_and_the_way_out(columns: int) -> None:
    async with opened((columns, 24)) as pilot:
        line = text_of(pilot, "#keys").rstrip()
        assert len(line) <= columns
        for words in ("^n Next", "^o Back", "^k Menu", "F1 Keys", "F10 Quit"):
            assert words in line
        assert ("F7 Plan" in line) == (columns < 100), "where the plan is not in sight"
        # wider again, and all of them are back
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert "^z Undo" in text_of(pilot, "#keys")


async def test_the_step_line_always_names_the_step() -> None:
    async with opened((60, 16)) as pilot:
        for step in ORDER:
            assert pilot.app.session.step == step  # type: ignore[attr-defined]
            line = text_of(pilot, "#stepper").rstrip()
            assert f"{ORDER.index(step) + 1} {dict(TITLES)[step]}]" in line
            assert line.endswith(("7", "7 Launch]"))
            assert len(line) <= 60
            await pilot.press("ctrl+n")
            await settled(pilot)


@pytest.mark.parametrize(("size", "said"), [((60, 16), True), ((80, 23), True), ((80, 24), False), ((120, 36), False)])
async def test_a_small_window_is_told_kindly_that_it_is_small(size: tuple[int, int], said: bool) -> None:
    async with opened(size) as pilot:
        welcome = " ".join(text_of(pilot, "#welcome-lines").split())
        assert (f"This window is small, {size[0]} x {size[1]}. All works; from 80 x 24" in welcome) is said


@pytest.mark.parametrize("size", [(59, 40), (120, 15), (40, 10), (20, 6)])
async def test_a_window_that_is_too_small_says_so_and_loses_nothing(size: tuple[int, int]) -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n", "tab")
        await typed(pilot, "43")
        await pilot.resize_terminal(*size)
        await settled(pilot)
        sentence = " ".join(text_of(pilot, "#too-small").split())
        assert sentence == (
            f"The wizard needs 60 x 16 characters, and this window has {size[0]} x {size[1]}. "
            "Make it larger; nothing is lost."
        )
        assert "max model len" not in picture(pilot)
        # keys that were on their way when it shrank arrive as well
        await typed(pilot, "21")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert "max model len" in picture(pilot)
        assert pilot.app.session.texts["model.max_model_len"] == "4321"  # type: ignore[attr-defined]


async def test_on_60_by_16_the_forms_can_be_filled() -> None:
    async with opened((60, 16)) as pilot:
        for _ in range(4):
            await pilot.press("ctrl+n")
        for _ in range(len([path for path in all_fields() if path.startswith("policy.")]) - 1):
            await pilot.press("tab")
        await typed(pilot, "my/image")
        await settled(pilot)
        assert pilot.app.session.texts["policy.image"] == "my/image"  # type: ignore[attr-defined]
        row = pilot.app.screen.query_one("#row-policy-image").region
        assert pilot.app.screen.query_one("#policy").region.contains_region(row), "the field in hand is in sight"
        assert " OK " in text_of(pilot, "#strip")
