"""Addresses of this machine that a server may get."""

from __future__ import annotations

from wizard_tui.launch.machine import is_taken


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    assert is_taken("192.0.2.1", 8000)
