"""Hypothesis without a clock: how long bash takes to start says nothing about what it reads."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
