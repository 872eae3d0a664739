"""Words of unit files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.render.readers import unit_words
from tests.render.samples import names
from wizard_tui.render.unit_text import unit_command, unit_word


@given(st.lists(names, min_size=1))
def test_systemd_reads_each_word_as_it_was(words: list[str]) -> None:
    text = unit_command([words])
    assert text.isascii()
    assert "\n" not in text
    assert unit_words(text) == words


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("", '""'),
        ("100%", '"100%%"'),
        ("$HOME", '"$$HOME"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("é", '"\\u00e9"'),
        ("\U0001f600", '"\\U0001f600"'),
        (";", '";"'),
    ],
)
def test_special_characters_lose_their_meaning(word: str, text: str) -> None:
    assert unit_word(word) == text
