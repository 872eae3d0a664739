"""Sizes that Python and the style sheets share."""

from __future__ import annotations

from pathlib import Path

from tests.tui.conftest import opened, settled
from wizard_tui.tui.app import SHEETS
from wizard_tui.tui.sizes import FOOT_ROWS, HELP_ROWS, MARK_COLUMNS, VARIABLES
from wizard_tui.tui.style_files import style_path
from wizard_tui.tui.widgets.line_view import LineView


def test_every_size_is_used_by_a_sheet() -> None:
    sheets = "".join(Path(style_path(name)).read_text() for name in SHEETS)
    assert [name for name in VARIABLES if f"${name};" not in sheets and f"${name} " not in sheets] == []


async def test_the_sheets_have_the_sizes_of_python() -> None:
    async with opened() as pilot:
        screen = pilot.app.screen
        assert screen.query_one("#help").size.height == HELP_ROWS
        await pilot.press("enter")
        await settled(pilot)
        row = screen.query_one("#row-model-model", LineView)
        assert row.size.width - row.query_one("#model-model").region.right + row.region.x == MARK_COLUMNS
        await pilot.press("ctrl+k")
        await settled(pilot)
        assert pilot.app.screen.query_one("#foot").size.height == FOOT_ROWS
