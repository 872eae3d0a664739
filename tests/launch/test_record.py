"""The form of what is kept of a server."""

from __future__ import annotations

import pytest

from wizard_tui.launch.record import is_base_url


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000", True),
        ("http://box.lan:1", True),
        ("http://my_host:65535", True),
        ("http://127.0.0.1:65536", False),
        ("http://127.0.0.1", False),
        ("http://999.1.1.1:8000", False),
        ("http://[1:2]:8000", False),
        ("http://127.0.0.1:8000/x", False),
        ("https://127.0.0.1:8000", False),
        ("http://a b:8000", False),
    ],
)
def test_the_address_of_a_server_is_told_from_other_texts(text: str, is_one: bool) -> None:
    assert is_base_url(text) is is_one
