"""The palette that finds models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import pytest
from textual.events import Key
from textual.pilot import Pilot

from tests.conftest import LIMIT_S
from tests.tui.conftest import opened, settled, text_of, until
from tests.tui.palettes import listed
from wizard_tui.errors import Refusal
from wizard_tui.models.search import Found, models_here
from wizard_tui.tui import palette
from wizard_tui.tui.screens.wizard import WizardScreen

NASTY = "org/[bold]model\x1b[31m\u202e"


def wizard(pilot: Pilot[str]) -> WizardScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, WizardScreen))


async def test_models_are_found_as_one_types_and_enter_takes_one() -> None:
    asked: list[str] = []

    def on_the_hub(text: str) -> Sequence[Found]:
        asked.append(text)
        return [Found("Qwen/Qwen3-32B", "on the Hub"), Found(NASTY, "on the Hub")]

    async with opened(hardware__gpu="H100 80GB") as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, search_hub=on_the_hub)
        await pilot.press("ctrl+f", *"qwen3 32b")
        await until(pilot, lambda: asked and listed(pilot)[0][1] == "fits, known")
        found = listed(pilot)
        assert asked == ["qwen3 32b"], "what was overtaken is not asked"
        assert found[0] == ("Qwen/Qwen3-32B", "fits, known")
        assert [name for name, _ in found].count("Qwen/Qwen3-32B") == 1
        await until(pilot, lambda: any("[bold]model\\x1b[31m\\u202e" in name for name, _ in listed(pilot)))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        assert wizard(pilot).session.texts["model.model"] == "Qwen/Qwen3-32B"
        await pilot.press("ctrl+z")
        assert wizard(pilot).session.texts["model.model"] == "llama-8b"


async def test_local_models_are_found_without_the_hub() -> None:
    def refuses(text: str) -> Sequence[Found]:
        raise Refusal("the Hub cannot be reached")

    async with opened(hardware__gpu="T4") as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, search_hub=refuses)
        await pilot.press("ctrl+f", *"qwen3-32b")
        await until(pilot, lambda: listed(pilot)[:1] == [("Qwen/Qwen3-32B", "too large, known")])
        await until(pilot, lambda: "the Hub cannot be reached" in text_of(pilot, "#foot"))
        assert len(listed(pilot)) > 3


async def test_the_disk_is_read_once_and_only_enter_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(palette, "LONGEST_WAIT_S", LIMIT_S)
    may_answer, read = Event(), []

    def slow() -> Sequence[Found]:
        read.append(may_answer.wait(LIMIT_S))
        return [Found("mine/tuned-qwen3-32b", "on this machine"), *models_here()]

    async with opened(hardware__gpu="H100 80GB") as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, models_here=slow, search_hub=lambda text: [])
        await pilot.press("ctrl+f", *"mine/")
        assert listed(pilot) == [], "the letters are there, and the list is not"
        for key in ("enter", "end"):
            pilot.app.post_message(Key(key, None))
        may_answer.set()
        await until(pilot, lambda: isinstance(pilot.app.screen, WizardScreen))
        await settled(pilot)
        assert wizard(pilot).session.texts["model.model"] == "mine/tuned-qwen3-32b"
        assert read == [True]


async def test_a_disk_that_does_not_answer_does_not_block_keys_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(palette, "LONGEST_WAIT_S", 0.01)
    over = Event()

    def hangs() -> Sequence[Found]:
        over.wait(LIMIT_S)
        return ()

    async with opened() as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, models_here=hangs, search_hub=lambda text: [])
        await pilot.press("ctrl+f", *"qwen3", "enter", "escape")
        assert isinstance(pilot.app.screen, WizardScreen)
        over.set()
