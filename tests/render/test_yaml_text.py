"""YAML that all parsers agree on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.render.readers import documents
from tests.render.samples import names
from wizard_tui.render.yaml_text import to_yaml, to_yaml_stream

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)


@given(st.dictionaries(names, values, min_size=1, max_size=4))
def test_values_are_read_back_as_they_were(document: dict[str, Any]) -> None:
    text = to_yaml(document)
    (read,) = documents(text)
    assert read == document
    assert text.isascii()
    assert list(read) == list(document), "the order is the given one"


@given(st.lists(st.dictionaries(names, names, min_size=1, max_size=3), min_size=1, max_size=3))
def test_documents_of_a_stream_stay_apart(written: list[dict[str, str]]) -> None:
    assert documents(to_yaml_stream(written)) == written


@pytest.mark.parametrize(
    "word", ["yes", "NO", "on", "null", "~", "1e3", "0o17", "0x1F", "12:30", "1_000", ".5", "=", "<<"]
)
def test_words_that_one_version_of_yaml_takes_for_something_else_are_quoted(word: str) -> None:
    assert to_yaml([word]) == f'- "{word}"\n'


def test_plain_words_stay_plain_and_long_lines_whole() -> None:
    assert to_yaml({"image": "org/name", "text": "a " * 100}) == f'image: org/name\ntext: "{"a " * 100}"\n'
