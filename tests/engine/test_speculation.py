"""How many tokens a checkpoint can draft."""

from __future__ import annotations

from wizard_tui.engine.speculation import why_not_drafting


def test_tokens_are_a_multiple_of_the_layers() -> None:
    assert why_not_drafting(0, 0) is None
    assert why_not_drafting(1, 3) is None
    assert why_not_drafting(2, 1) is None
    assert "multiple of the checkpoint's 2" in (why_not_drafting(2, 3) or "")
    assert "set speculative_tokens to 0" in (why_not_drafting(0, 1) or "")
