"""What holds for every file."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_LINES = 400


@pytest.mark.parametrize("room", ["wizard_tui", "tests", "tools"])
def test_no_file_is_longer_than_a_reader_keeps_in_mind(room: str) -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in (ROOT / room).rglob("*.py")}
    assert lengths, "there are files"
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}
