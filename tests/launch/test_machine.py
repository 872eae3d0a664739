"""Addresses of this machine that a server may get."""

from __future__ import annotations

from wizard_tui.launch.machine import is_taken


def test_an_address_that_is_not_ours_is_no_place_to_listen() -> None:
    assert is_taken("192.0.2.1", 8000)
