"""Closed pages are freed: a session of hours holds no more than one of minutes."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Sequence

from textual._styles_cache import StylesCache
from textual.events import Paste
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from tests.tui.conftest import ORDER, opened, settled
from wizard_tui.tui import textual_mended

KINDS = (Widget, Screen, StylesCache, Strip)
WARM_UP, ROUNDS = 2, 4
FEW_LINES = 20


def held() -> Counter[str]:
    gc.collect()
    return Counter(kind.__name__ for thing in gc.get_objects() for kind in KINDS if isinstance(thing, kind))


async def open_and_close(pilot: Pilot[str], key: str) -> None:
    wizard = pilot.app.screen
    await pilot.press(key)
    await settled(pilot)
    assert pilot.app.screen is not wizard, key
    await pilot.press("escape")
    await settled(pilot)
    assert pilot.app.screen is wizard, key


async def test_closed_pages_are_freed() -> None:
    keys = ("f1", "f12", "ctrl+p", "ctrl+g", "ctrl+k", "ctrl+f", "f9")
    async with opened() as pilot:
        await rounds(pilot, keys, WARM_UP)
        before = held()
        await rounds(pilot, keys, ROUNDS)
        more = held()
        more.subtract(before)
    assert more["Screen"] <= 0
    assert more["Widget"] <= 0
    assert more["StylesCache"] <= 0
    # a page has some thirty lines: one more round of any of them would be more than this
    assert more["Strip"] <= FEW_LINES


async def rounds(pilot: Pilot[str], keys: Sequence[str], count: int) -> None:
    steps = len(ORDER) - 1
    for _ in range(count):
        for key in keys:
            await open_and_close(pilot, key)
        for key in ["ctrl+n"] * steps + ["ctrl+o"] * steps:
            await pilot.press(key)
        await settled(pilot)


async def test_a_long_paste_is_not_cached_again_with_every_letter_behind_it() -> None:
    async with opened() as pilot:
        await pilot.press("ctrl+n")
        assert pilot.app.focused is not None
        pilot.app.focused.post_message(Paste("x界" * 1500))
        await settled(pilot)
        cuts = textual_mended._kept_cut.cache_info().currsize
        for digit in "0123456789":
            await pilot.press(digit)
            await settled(pilot)
        assert pilot.app.session.texts["model.model"].endswith("界0123456789")  # type: ignore[attr-defined]
        # each letter is a cut
        assert textual_mended._kept_cut.cache_info().currsize - cuts < 5
