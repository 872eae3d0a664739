"""The pictures in the README are those of today's wizard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.screenshots import SHOTS, Shot, draw
from tools.tour import tour

PICTURES = Path(__file__).parents[2] / "screenshots"

pytestmark = pytest.mark.skipif(not PICTURES.is_dir(), reason="a source archive has no pictures")


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
async def test_a_picture_is_up_to_date(shot: Shot) -> None:
    assert (PICTURES / f"{shot.name}.svg").read_text(encoding="utf-8") == await draw(shot), "run make shots"
    assert (PICTURES / f"{shot.name}.png").read_bytes().startswith(b"\x89PNG")


async def test_the_tour_is_up_to_date() -> None:
    assert (PICTURES / "tour.svg").read_text(encoding="utf-8") == await tour(), "run make shots"


def test_there_are_no_other_pictures() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == {"tour", *(shot.name for shot in SHOTS)}
