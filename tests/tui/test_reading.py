"""A failure of an outside query that is not an answer is a fault of this program, and is reported as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.worker import WorkerFailed

from tests.tui.conftest import load_model, opened, settled, text_of, until
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources

FAULT = TypeError("this is ours")


def fails(*_: object) -> Detection:
    raise FAULT


def nothing_found() -> Detection:
    return Detection()


@pytest.mark.parametrize(
    "sources",
    [
        Sources(load_model=load_model, detect=fails, observed=tuple),
        Sources(load_model=load_model, detect=nothing_found, observed=fails),  # type: ignore[arg-type]
    ],
    ids=["GPUs", "calibration"],
)
async def test_a_fault_of_ours_is_reported_and_not_waited_for(sources: Sources) -> None:
    session = Session()
    session.set({"model.model": "llama-8b"})
    app = WizardApp(session, sources=sources)
    with pytest.raises(WorkerFailed):
        async with app.run_test() as pilot:
            await settled(pilot)
    assert app.fault is FAULT


@pytest.mark.parametrize("part", ["reading", "planning"])
async def test_a_fault_with_a_model_is_a_line_of_its_own_and_no_mark_at_a_field(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened() as pilot:
        session, screen = pilot.app.session, pilot.app.screen  # type: ignore[attr-defined]
        if part == "planning":
            monkeypatch.setattr("wizard_tui.planning.planner.make_plan", breaks)
        else:
            screen.sources = replace(screen.sources, load_model=breaks)  # type: ignore[attr-defined]
        screen.take_model("llama-70b")  # type: ignore[attr-defined]
        await until(
            pilot, lambda: "! not applied: a fault of this program (ValueError): " in text_of(pilot, "#feasibility")
        )
        assert session.problem_of("model.model") is None
        assert "Zq9" not in text_of(pilot, "#feasibility")


def breaks(*_: object) -> None:
    raise ValueError("invalid literal for int() with base 10: 'Zq9'")
