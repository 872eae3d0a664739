"""The first minute: what fits here, and a start that works by Enter alone."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import opened, settled, text_of
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.models import catalog
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.session import START, Session
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.widgets.welcome import PROPOSALS


def sources(gpu: str, count: int) -> Sources:
    from wizard_tui.hardware.gpu import Detection

    def load(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
        return load_model_metadata(model)

    return Sources(load_model=load, detect=lambda: Detection(gpus=(get_gpu_by_name(gpu),) * count))


async def found_out(pilot: Pilot[str]) -> Session:
    for _ in range(3):
        await settled(pilot)
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    return session


@pytest.mark.parametrize(("gpu", "count"), [("RTX 3060", 1), ("T4", 1), ("RTX 4090", 2), ("H100 80GB", 8)])
async def test_enter_five_times_gives_a_command_that_fits(gpu: str, count: int) -> None:
    app = WizardApp(sources=sources(gpu, count))
    async with app.run_test(size=(120, 36)) as pilot:
        session = await found_out(pilot)
        assert session.proposals, "something fits on every box"
        assert session.texts["model.model"] in session.proposals
        for _ in range(5):
            await pilot.press("enter")
            await settled(pilot)
        session = await found_out(pilot)
        assert session.step == "review"
        assert session.response is not None
        assert session.response.feasibility.fits
        assert session.response.feasibility.oom_risk == "low", "a start that may not work is none"
        assert session.response.artifacts.serve_command.startswith("vllm serve ")


async def test_models_that_fit_are_listed_and_a_digit_takes_one() -> None:
    app = WizardApp(sources=sources("RTX 4090", 2))
    async with app.run_test(size=(120, 36)) as pilot:
        session = await found_out(pilot)
        lines = text_of(pilot, "#welcome-lines")
        assert f"{len(session.proposals)} models fit" in lines
        offered = list(session.proposals)[:PROPOSALS]
        assert all(model in lines for model in offered)
        assert "deepseek-ai/DeepSeek-V3.1" not in session.proposals
        await pilot.press("1")
        session = await found_out(pilot)
        assert session.texts["model.model"] == offered[0] != START["model.model"]
        await pilot.press("ctrl+z")
        assert session.texts["model.model"] == START["model.model"]


async def test_a_model_that_somebody_chose_is_never_replaced() -> None:
    async with opened(gpus=(get_gpu_by_name("T4"),), model__model="llama-70b") as pilot:
        session = await found_out(pilot)
        assert session.proposals
        assert session.texts["model.model"] == "llama-70b"


def test_every_starter_is_known_and_free_to_download() -> None:
    found = [catalog.find(model) for model in catalog.starters()]
    assert all(found)
    assert not any(entry.gated for entry in found if entry is not None)
