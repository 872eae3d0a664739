"""Finds the style sheets: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def style_path(name: str) -> Path:
    """The absolute path of a style sheet. Raises NoConfig that names both places looked at."""
    places = (_PACKAGE / "styles" / name, _PACKAGE.parent / "styles" / name)
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"the style sheet {name} is neither at {places[0]} nor at {places[1]}; install again")
