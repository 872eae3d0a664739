"""Layouts as people say them."""

from __future__ import annotations

import pytest

from wizard_tui.planning.settings import Layout


@pytest.mark.parametrize(
    ("layout", "said", "gpus"),
    [
        (Layout(), "TP 1", 1),
        (Layout(tp=2), "TP 2", 2),
        (Layout(tp=2, pp=2), "TP 2 x PP 2", 4),
        (Layout(tp=4, dp=2), "TP 4 x DP 2", 8),
        (Layout(tp=2, pp=3, dp=2, expert_parallel=True), "TP 2 x PP 3 x DP 2 x EP", 12),
        (Layout(expert_parallel=True), "TP 1 x EP", 1),
    ],
)
def test_layouts(layout: Layout, said: str, gpus: int) -> None:
    assert str(layout) == said
    assert layout.gpus == gpus
