"""What fails while the outside is asked, and is no answer, ends the wizard as a fault of this program."""

from __future__ import annotations

import pytest
from textual.worker import WorkerFailed

from tests.tui.conftest import load_model, settled
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.facts import Sources
from wizard_tui.tui.session import Session

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
        Sources(load_model=fails, detect=nothing_found, observed=tuple),  # type: ignore[arg-type]
    ],
    ids=["GPUs", "calibration", "model"],
)
async def test_a_fault_of_ours_is_told_and_not_waited_for(sources: Sources) -> None:
    session = Session()
    session.set({"model.model": "llama-8b"})
    app = WizardApp(session, sources=sources)
    with pytest.raises(WorkerFailed):
        async with app.run_test() as pilot:
            await settled(pilot)
    assert app.fault is FAULT
