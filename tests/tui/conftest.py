"""The wizard with facts that need no disk, driver or network."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from tests.planning.conftest import CONFIGS
from tools import driven
from tools.terminal import LIMIT_S
from wizard_tui.errors import Refusal
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.hardware.observed import Observation
from wizard_tui.launch.machine import Machine
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.state_file import StateFile
from wizard_tui.tui.steps.order import all_steps
from wizard_tui.tui.widgets.line_view import LineView

TITLES = tuple((step.name, step.title) for step in all_steps())
ORDER = tuple(name for name, _ in TITLES)


def load_model(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
    """The models of the planner's tests, under short names."""
    if model not in CONFIGS:
        raise Refusal(f"{model} is not known; give a local directory")
    return metadata_from_config(CONFIGS[model], model_id=f"test/{model}", source="config")


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (120, 36),
    gpus: tuple[GPU, ...] = (),
    state: Path | None = None,
    resume: bool = False,
    toasts: bool = False,
    observed: Callable[[], Sequence[Observation]] = tuple,
    **fields: str,
) -> AsyncIterator[Pilot[str]]:
    """The running wizard, settled: facts are read and the plan is made."""
    session = None if resume else Session()
    if session is not None:
        session.set({"model.model": "llama-8b", **{name.replace("__", "."): text for name, text in fields.items()}})
    sources = Sources(
        load_model=load_model,
        detect=lambda: Detection(gpus=gpus),
        observed=observed,
        look=lambda response, way: Machine(Detection(gpus=gpus)),
    )
    app = WizardApp(session, state_file=StateFile(state) if state else None, sources=sources)
    async with app.run_test(size=size, notifications=toasts) as pilot:
        await settled(pilot)
        yield pilot


async def settled(pilot: Pilot[str]) -> None:
    """Wait until no worker runs and nothing is left to do; the worker that follows a server runs on."""
    await driven.settled(pilot, but="watch")


async def until(pilot: Pilot[str], reached: Callable[[], object], seconds: float = LIMIT_S) -> None:
    """Wait for a state; fails when it does not come in time."""
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "the state was not reached"
        await pilot.pause(0.05)


async def typed(pilot: Pilot[str], text: str) -> None:
    """Press the keys of a text."""
    names = {"/": "slash", "-": "minus", ".": "full_stop", " ": "space", "_": "underscore"}
    await pilot.press(*(names.get(char, char) for char in text))
    await pilot.pause()


def text_of(pilot: Pilot[str], selector: str) -> str:
    """What a panel shows, as plain text."""
    return "\n".join(pilot.app.screen.query_one(selector, LineView).lines)


def picture(pilot: Pilot[str]) -> str:
    """All cells of the top screen."""
    return "\n".join(strip.text for strip in pilot.app.screen._compositor.render_strips())
