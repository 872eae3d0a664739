"""The pictures in the README are those of today's wizard."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.screenshots import SHOTS, Shot, draw, walks
from tools.tour import tour

PICTURES = Path(__file__).parents[2] / "screenshots"

pytestmark = pytest.mark.skipif(not PICTURES.is_dir(), reason="a source archive has no pictures")


@pytest.mark.parametrize("walk", walks(SHOTS), ids=lambda walk: " ".join(shot.name for shot in walk))
async def test_pictures_are_up_to_date(walk: list[Shot]) -> None:
    drawn = await draw(walk)
    stale = [name for name, svg in drawn.items() if (PICTURES / f"{name}.svg").read_text(encoding="utf-8") != svg]
    assert stale == [], "run make shots"


def test_each_picture_is_taken_once_and_in_a_world_of_its_own() -> None:
    taken = walks(SHOTS)
    assert sorted(shot.name for walk in taken for shot in walk) == sorted(shot.name for shot in SHOTS)
    for first, *others in taken:
        assert all((shot.size, shot.fields, shot.gpus) == (first.size, first.fields, first.gpus) for shot in others)


@pytest.mark.parametrize("shot", SHOTS, ids=lambda shot: shot.name)
def test_each_picture_is_there_for_the_readme(shot: Shot) -> None:
    assert (PICTURES / f"{shot.name}.png").read_bytes().startswith(b"\x89PNG")


async def test_the_tour_is_up_to_date() -> None:
    assert (PICTURES / "tour.svg").read_text(encoding="utf-8") == await tour(), "run make shots"


def test_there_are_no_other_pictures() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == {"tour", *(shot.name for shot in SHOTS)}
