"""Each action of the one list, by its key: what it does can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import opened, settled
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.fields import text_of as text_for
from wizard_tui.tui.keys import KEYS
from wizard_tui.tui.palette import Palette
from wizard_tui.tui.screens.page import Page
from wizard_tui.tui.screens.plots import PlotsScreen
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.screens.write_files import WriteFilesScreen
from wizard_tui.tui.session import Session

WHEN = datetime(2026, 3, 14, 10, 42)
Seen = Callable[[Pilot[str]], object]


def session_of(pilot: Pilot[str]) -> Session:
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    return session


def text(path: str) -> Seen:
    return lambda pilot: session_of(pilot).texts[path]


def step(pilot: Pilot[str]) -> object:
    return session_of(pilot).step


def screen(pilot: Pilot[str]) -> object:
    return type(pilot.app.screen)


# a card that idles, and a cache that could be smaller: two suggestions
CROWDED = {"hardware__gpu": "RTX 4090", "hardware__gpus": "4", "hardware__tensor_parallel_size": "1"}

# id of an action -> what is checked, and its value after the key; a function is compared before and after
SHOWN: dict[str, tuple[Seen, object]] = {
    "next": (step, "hardware"),
    "back": (step, "welcome"),
    "menu": (screen, Palette),
    "leave-field": (lambda pilot: pilot.app.focused, None),
    "quit": (lambda pilot: str(pilot.app.return_value).startswith("vllm serve"), True),
    "find": (screen, Palette),
    "undo": (text("model.max_model_len"), ""),
    "redo": (text("model.max_model_len"), ""),
    "rescan": (text("hardware.gpus"), "3"),
    "anew": (lambda pilot: session_of(pilot).left, None),
    "why": (screen, Page),
    "plots": (screen, PlotsScreen),
    "panels": (lambda pilot: pilot.app.screen.has_class("-panels"), True),
    "help": (screen, Page),
    "words": (screen, Page),
    "copy": (lambda pilot: pilot.app.clipboard.lstrip().startswith("vllm serve"), True),
    "write": (screen, WriteFilesScreen),
}
TAKES = ("take-1", "take-2", "take-3")


def test_every_action_is_tried() -> None:
    assert {*SHOWN, *TAKES} == {binding.id for bindings in KEYS.values() for binding in bindings}


def keys_of(name: str) -> list[str]:
    (binding,) = (one for bindings in KEYS.values() for one in bindings if one.id == name)
    return binding.key.split(",")


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in SHOWN for key in keys_of(name)])
async def test_an_action_does_what_it_says(name: str, key: str) -> None:
    seen, wanted = SHOWN[name]
    async with opened((80, 24), model__max_model_len="4096") as pilot:
        wizard = pilot.app.screen
        assert isinstance(wizard, WizardScreen)
        if name == "anew":
            session_of(pilot).offer({**session_of(pilot).saved(), "step": "policy"}, WHEN)
        else:
            await pilot.press("ctrl+n")
        if name in ("undo", "redo"):
            session_of(pilot).set({"model.max_model_len": ""})
            session_of(pilot).set({"model.dtype": "float16"})
            await pilot.press("ctrl+z", "ctrl+z") if name == "redo" else await pilot.press("ctrl+z")
            wanted = {"undo": "4096", "redo": ""}[name]
        if key == "question_mark":
            # in a field the key is typed
            await pilot.press("escape")
        if name == "rescan":
            cards = (get_gpu_by_name("T4"),) * 3
            wizard.sources = replace(wizard.sources, detect=lambda: Detection(gpus=cards))
        assert seen(pilot) != wanted, "not so before"
        await pilot.press(key)
        await settled(pilot)
        assert seen(pilot) == wanted


@pytest.mark.parametrize("name", TAKES)
async def test_a_suggestion_is_taken_by_its_key(name: str) -> None:
    async with opened(**CROWDED) as pilot:
        session = session_of(pilot)
        assert session.response is not None
        suggestions = session.response.feasibility.suggestions
        at = TAKES.index(name)
        before = dict(session.texts)
        await pilot.press(*keys_of(name))
        await settled(pilot)
        changed = {path: text for path, text in session.texts.items() if text != before[path]}
        named = [] if at >= len(suggestions) else suggestions[at].patch.items()
        wanted = {f"{section}.{field}": text_for(value) for section, fields in named for field, value in fields.items()}
        assert changed == {path: text for path, text in wanted.items() if text != before[path]}
        if name != "take-3":
            assert changed, "there is a first and a second one"
