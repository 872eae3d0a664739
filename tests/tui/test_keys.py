"""The one list of keys: all work, all are documented, and none is swallowed on the way."""

from __future__ import annotations

from collections import Counter

import pytest
from textual.widgets import Input

from tests.tui.conftest import opened, settled, text_of
from wizard_tui.tui.keys import APP_KEYS, WIZARD_KEYS
from wizard_tui.tui.screens.page import Page
from wizard_tui.tui.screens.pages import words

ALL = (*WIZARD_KEYS, *APP_KEYS)
# tmux, screen, flow control twice, suspend
TAKEN = {"ctrl+b", "ctrl+a", "ctrl+s", "ctrl+q", "ctrl+backslash"}
# a terminal sends the same for these as for Tab, Enter, Escape and Backspace
AMBIGUOUS = {"ctrl+i", "ctrl+m", "ctrl+j", "ctrl+h", "ctrl+left_square_bracket"}


def keys_of(binding: object) -> list[str]:
    return binding.key.split(",")  # type: ignore[attr-defined, no-any-return]


def test_no_key_means_two_things() -> None:
    assert {key: count for key, count in Counter(key for one in ALL for key in keys_of(one)).items() if count > 1} == {}


def test_keys_that_the_line_swallows_are_never_the_only_way() -> None:
    names = {binding.action.rpartition(".")[2] for binding in ALL}
    for action in names:
        keys = {key for binding in ALL if binding.action.rpartition(".")[2] == action for key in keys_of(binding)}
        assert keys - TAKEN, action
        assert not keys & AMBIGUOUS, action


def test_line_editing_keys_stay_with_the_fields() -> None:
    edits = {key for one in Input.BINDINGS for key in keys_of(one)}
    # the menu is within reach everywhere; `ctrl+u` and `ctrl+w` still wipe out
    ours = {key for one in ALL for key in keys_of(one)} - {"enter", "ctrl+c", "ctrl+k"}
    assert not edits & ours


@pytest.mark.parametrize("binding", ALL, ids=lambda binding: binding.action)
async def test_every_key_has_its_action(binding: object) -> None:
    action = binding.action.partition("(")[0].rpartition(".")[2]  # type: ignore[attr-defined]
    async with opened() as pilot:
        assert any(hasattr(one, f"action_{action}") for one in (pilot.app.screen, pilot.app))


@pytest.mark.parametrize(("key", "said"), [("f1", "Keys"), ("f12", "Words"), ("ctrl+p", "Where the numbers come from")])
async def test_a_page_opens_and_closes_by_its_key(key: str, said: str) -> None:
    async with opened() as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert isinstance(pilot.app.screen, Page)
        assert text_of(pilot, "#page-lines").startswith(said)
        await pilot.press(key)
        assert not isinstance(pilot.app.screen, Page)


async def test_the_glossary_explains_the_words_of_the_screens() -> None:
    meanings = words()
    async with opened() as pilot:
        await pilot.press("f12")
        await settled(pilot)
        page = " ".join(text_of(pilot, "#page-lines").split())
    for word, meaning in meanings.items():
        assert word in page
        assert " ".join(meaning.split()) in page
    for word in ("KV cache", "TTFT", "TPOT", "tensor parallel (TP)", "band", "TIGHT", "CUDA graphs", "non-torch"):
        assert word in meanings
