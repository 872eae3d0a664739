"""Keys typed in one burst do what they do one by one."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import ORDER, opened, settled
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.tui.widgets.choice import Choice

ENTER, TAB, BACKTAB, ESCAPE, RUBOUT = "\r", "\t", "\x1b[Z", "\x1b\x1b", "\x7f"
NEXT, BACK, WIPE, UNDO, REDO = "\x0e", "\x0f", "\x15", "\x1a", "\x19"
F1, F2, F3, F4, F5, F7, F9, F12 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[18~", "\x1b[20~", "\x1b[24~"
WHY, PLOTS, MENU, FIND, ANEW = "\x10", "\x07", "\x0b", "\x06", "\x0c"
UP, DOWN, LEFT, RIGHT = "\x1b[A", "\x1b[B", "\x1b[D", "\x1b[C"
LEAVING = {"enter": (ENTER,), "next": (NEXT, F3), "back": (BACK, F2)}
BOX = (get_gpu_by_name("RTX 4090"),) * 2


@pytest.fixture(autouse=True, scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Any keys may write files."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("written"))
    yield
    os.chdir(before)


class End(NamedTuple):
    """The state that some keys have led to."""

    texts: dict[str, str]
    step: str
    focus: str | None
    screen: str
    shown: tuple[str, ...]


def end_of(pilot: Pilot[str]) -> End:
    app = pilot.app
    session = app.session  # type: ignore[attr-defined]
    focus = app.focused.id if app.focused is not None else None
    shown = tuple(field.value for field in app.screen.query("*") if isinstance(field, (Input, Choice)))
    return End(dict(session.texts), session.step, focus, type(app.screen).__name__, shown)


async def write(pilot: Pilot[str], *keys: str) -> None:
    """Send keys at once, as Textual's driver hands them on, and wait until they have acted.

    Each is read for itself: an Escape and a letter in one packet are, in every terminal, the letter with Alt.
    """
    for event in (event for key in keys for event in XTermParser().feed(key)):
        event.set_sender(pilot.app)
        pilot.app.post_message(event)
    await asyncio.sleep(0)
    await settled(pilot)


async def ends(*rounds: Sequence[Sequence[str]], **fields: str) -> list[End]:
    """Where the wizard is after each round of writes of some keys. Each is sent when the one before it has acted."""
    found = []
    async with opened(gpus=BOX, **fields) as pilot:
        for _ in range(3):
            # the models that fit this box come after its GPUs
            await settled(pilot)
        for writes in rounds:
            for keys in writes:
                await write(pilot, *keys)
            found.append(end_of(pilot))
    return found


async def together_and_one_by_one(*rounds: Sequence[str], **fields: str) -> tuple[list[End], list[End]]:
    return await ends(*([keys] for keys in rounds), **fields), await ends(*(by_one(keys) for keys in rounds), **fields)


def by_one(keys: Sequence[str]) -> list[list[str]]:
    return [[key] for key in keys]


@pytest.mark.parametrize("way", LEAVING)
async def test_keys_after_one_that_changes_the_step_go_to_the_new_step(way: str) -> None:
    """On every step, and from it: a name, a field, a number, nothing, two digits, and the key once more."""
    # errors behind them would keep a step from being left
    before = [[BACK] * len(ORDER) + [NEXT] * at for at in range(len(ORDER))]
    told = [[key, WIPE, *"H2", TAB, TAB, WIPE, *"50", ESCAPE, *"77", key, *"3"] for key in LEAVING[way]]
    one_by_one = await ends(*([there, *by_one(told[0]), [UNDO] * 12] for there in before))
    for keys in told:
        assert await ends(*([there, keys, [UNDO] * 12] for there in before)) == one_by_one
    assert len({end.step for end in one_by_one}) >= 3, "they lead somewhere"


@pytest.mark.parametrize(
    ("keys", "path", "text"),
    [
        (ENTER + NEXT + WIPE + "H200", "hardware.gpu", "H200"),
        (ENTER + ENTER + TAB + WIPE + "7", "hardware.gpus", "7"),
        (NEXT * 3 + TAB + TAB + WIPE + "50", "workload.concurrency", "50"),
        (NEXT + WIPE + "llama-70b", "model.model", "llama-70b"),
        (NEXT + TAB + "4096" + ENTER + BACK + TAB + "7", "model.max_model_len", "40967"),
        (NEXT + TAB + "x" + ENTER + "5", "model.max_model_len", "x5"),
        (NEXT + "\x1b[200~-pasted\x1b[201~" + ENTER + WIPE + "H200", "hardware.gpu", "H200"),
        # what a terminal makes of Enter before a program changes its mode
        ("\n" + "\n" + WIPE + "H200", "hardware.gpu", "H200"),
    ],
)
async def test_one_write_fills_the_intended_fields(keys: str, path: str, text: str) -> None:
    (end,) = await ends([[keys]])
    assert end.texts[path] == text


async def test_an_action_is_about_the_plan_of_the_keys_before_it() -> None:
    keys = [NEXT, TAB, *"131072", F4, TAB, UNDO]
    together, one_by_one = await together_and_one_by_one(keys, hardware__gpu="RTX 4090")
    assert together == one_by_one
    # the suggestion is undone, not the typed text
    assert together[0].texts["model.max_model_len"] == "131072"


@pytest.mark.parametrize("key", [F1, F12, WHY, PLOTS, MENU, FIND, F9])
async def test_a_page_that_opens_takes_the_keys_behind_it(key: str) -> None:
    keys = [NEXT, key, *"qwen", DOWN, ESCAPE, ESCAPE, *"5"]
    together, one_by_one = await together_and_one_by_one(keys[:2], keys[2:5], keys[5:], keys)
    assert together == one_by_one


KEYS = st.sampled_from(
    [
        *"07aK-/. ",
        *(ENTER, TAB, TAB, BACKTAB, ESCAPE, NEXT, NEXT, BACK, WIPE, UNDO, REDO, RUBOUT, ANEW),
        *(F1, F2, F3, F4, F5, F7, F9, F12, WHY, PLOTS, MENU, UP, DOWN, LEFT, RIGHT),
    ]
)


# failing keys are reported as drawn: shrinking them takes minutes
@settings(max_examples=6, phases=(Phase.explicit, Phase.generate))
@given(keys=st.lists(KEYS, min_size=20, max_size=60), cuts=st.sets(st.integers(1, 59), max_size=6))
def test_any_keys_in_any_chunks_end_where_they_end_one_by_one(keys: list[str], cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(keys)), len(keys)]
    chunks = [keys[first:last] for first, last in pairwise(bounds)]
    assert asyncio.run(ends(chunks)) == asyncio.run(ends(by_one(keys)))
