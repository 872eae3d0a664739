"""Numbers as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wizard_tui.schemas.numbers import GIB, gib, parse_count, parse_gib


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("8192", 8192),
        ("8k", 8000),
        ("32K", 32768),
        ("1.5k", 1500),
        ("131,072", 131072),
        ("10G", 10 * GIB),
        ("10g", 10_000_000_000),
        (" 64K ", 65536),
        ("-5", -5),
    ],
)
def test_counts_follow_vllm_suffixes(text: str, number: int) -> None:
    """Lower case is a power of 1000 and upper case a power of 1024, as in vLLM's own argument parser."""
    assert parse_count(text) == number


@pytest.mark.parametrize("text", ["", "k", "8 kilo", "1e3", "0x10", "8kk", "1.0001k7", "eight", "1.5"])
def test_text_that_is_no_count_passes_to_the_validator(text: str) -> None:
    assert parse_count(text) == text


@pytest.mark.parametrize(("text", "number"), [("80", 80.0), ("80GiB", 80.0), ("79.2 gb", 79.2), ("24G", 24.0)], ids=str)
def test_memory_is_gib_whatever_it_is_called(text: str, number: float) -> None:
    assert parse_gib(text) == number


@given(st.integers(0, 1 << 60))
def test_plain_integers_survive(number: int) -> None:
    assert parse_count(number) == number
    assert parse_count(str(number)) == number or number > 1 << 53


def test_gib() -> None:
    assert gib(80 * GIB) == 80
