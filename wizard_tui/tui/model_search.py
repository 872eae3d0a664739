"""Find a model as you type: in a palette, over this machine, the catalogue and the Hub, with those that fit marked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from textual.command import Hit, Hits, Provider

from wizard_tui.tui.palette import Palette, hit
from wizard_tui.tui.proposals import tried

if TYPE_CHECKING:
    from wizard_tui.models.search import Found
    from wizard_tui.tui.screens.wizard import WizardScreen

# the Hub is asked when nobody has typed for this long; what was asked before is cancelled by the palette
HUB_PAUSE_S = 0.3
SHORTEST = 3
MODEL_COLUMNS = 44
_MARKS = {True: "fits", False: "too large", None: "not read yet"}


class ModelProvider(Provider):
    """Hits for a part of a model's name."""

    async def search(self, query: str) -> Hits:
        """What is here at once, then what the Hub has."""
        wizard = cast("WizardScreen", self.screen)
        seen: set[str] = set()
        for place, found in enumerate(wizard.sources.search_here(query)):
            seen.add(found.model_id)
            trial = tried(wizard.session, found.model_id)
            yield _hit(wizard, found, None if trial is None else trial.fits, 1 - place / 1000)
            # one plan each: let keys through between them
            await asyncio.sleep(0)
        if len(query.strip()) < SHORTEST:
            return
        await asyncio.sleep(HUB_PAUSE_S)
        try:
            online = await asyncio.to_thread(wizard.sources.search_hub, query)
        except ValueError as problem:
            yield hit(0.001, str(problem), "what is here already is listed above", _nothing)
            return
        for place, found in enumerate(online):
            if found.model_id not in seen:
                yield _hit(wizard, found, None, 0.5 - place / 1000)


def model_palette() -> Palette:
    """The palette that looks for models."""
    return Palette(ModelProvider, "a part of a model's name, such as qwen3 32b")


def _hit(wizard: WizardScreen, found: Found, fits: bool | None, score: float) -> Hit:
    take: Callable[[], None] = lambda: wizard.take_model(found.model_id)  # noqa: E731
    return hit(score, found.model_id, f"{_MARKS[fits]}, {found.where}", take, MODEL_COLUMNS)


def _nothing() -> None:
    """A line that only says something."""
