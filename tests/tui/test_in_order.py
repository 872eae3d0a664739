"""What is typed in one burst does what the same keys do one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.pilot import Pilot

from tests.tui.conftest import opened, settled
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.tui.fields import ORDER

ENTER, TAB, BACKTAB, ESCAPE = "\r", "\t", "\x1b[Z", "\x1b\x1b"
NEXT, BACK, WIPE, UNDO, REDO = "\x0e", "\x0f", "\x15", "\x1a", "\x19"
F1, F2, F3, F4, F5, F7, F9, F12 = "\x1bOP", "\x1bOQ", "\x1bOR", "\x1bOS", "\x1b[15~", "\x1b[18~", "\x1b[20~", "\x1b[24~"
WHY, PLOTS, MENU, FIND, LEFT, RIGHT, ANEW = "\x10", "\x07", "\x0b", "\x06", "\x1b[D", "\x1b[C", "\x0c"
LEAVING = {"enter": ENTER, "ctrl+n": NEXT, "F3": F3, "ctrl+o": BACK, "F2": F2}
TWO = (get_gpu_by_name("RTX 4090"),) * 2


@dataclass(frozen=True)
class End:
    """Where some keys have led."""

    texts: dict[str, str]
    step: str
    focus: str | None
    screen: str
    shown: tuple[str, ...]


async def ended(keys: Sequence[str], *, begin: str = "", **fields: str) -> End:
    """Send each of `keys` in one write, the next when all is done; `begin` on its own, first."""
    async with opened(gpus=TWO, **fields) as pilot:
        for _ in range(2):
            await settled(pilot)
        for written in (begin, *keys):
            await write(pilot, written)
        app = pilot.app
        session = app.session  # type: ignore[attr-defined]
        return End(
            dict(session.texts),
            session.step,
            app.focused.id if app.focused is not None else None,
            type(app.screen).__name__,
            tuple(str(getattr(entry, "value", "")) for entry in app.screen.query("Entry, Choice")),
        )


async def write(pilot: Pilot[str], keys: str) -> None:
    """What the terminal reads in one go, as Textual's driver hands it on."""
    for event in XTermParser().feed(keys):
        event.set_sender(pilot.app)
        pilot.app.post_message(event)
    await asyncio.sleep(0)
    await settled(pilot)


def one_by_one(keys: Sequence[str]) -> list[str]:
    return list(keys)


@pytest.mark.parametrize("key", LEAVING)
@pytest.mark.parametrize("step", ORDER)
async def test_what_follows_a_key_that_leaves_a_step_goes_to_the_step_it_leads_to(step: str, key: str) -> None:
    begin = NEXT * ORDER.index(step)
    keys = [LEAVING[key], WIPE, *"H2", TAB, TAB, WIPE, *"50", ESCAPE, *"77", LEAVING[key], *"3"]
    assert await ended(["".join(keys)], begin=begin) == await ended(keys, begin=begin)


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
    ],
)
async def test_one_write_fills_the_fields_it_was_aimed_at(keys: str, path: str, text: str) -> None:
    end = await ended([keys])
    assert end.texts[path] == text


async def test_an_action_is_about_the_plan_of_the_keys_before_it() -> None:
    keys = [NEXT, TAB, *"131072", F4, TAB, UNDO]
    fields = {"hardware__gpu": "RTX 4090"}
    assert await ended(["".join(keys)], **fields) == await ended(keys, **fields)


KEYS = st.sampled_from(
    [
        *"07aK-/. ",
        *(ENTER, TAB, TAB, BACKTAB, ESCAPE, NEXT, NEXT, BACK, WIPE, UNDO, REDO, F1, F2, F3, F4, F5, F7, F9, F12),
        *(WHY, PLOTS, LEFT, RIGHT, "\x7f", ANEW),
    ]
)


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(keys=st.lists(KEYS, min_size=4, max_size=40), cuts=st.sets(st.integers(1, 39), max_size=6))
def test_any_keys_in_any_chunks_end_where_they_end_one_by_one(keys: list[str], cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(keys)), len(keys)]
    chunks = ["".join(keys[first:last]) for first, last in pairwise(bounds)]
    assert asyncio.run(ended(chunks)) == asyncio.run(ended(keys))
