"""Find a model as you type: in a palette, over this machine, the catalogue and the Hub, with those that fit marked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from wizard_tui.tui.palette import Offer, Palette, Provider
from wizard_tui.tui.proposals import tried

if TYPE_CHECKING:
    from wizard_tui.models.search import Found
    from wizard_tui.tui.steps.step import Wizard

# the Hub is asked after this long without a key; the palette cancels earlier requests
HUB_PAUSE_S = 0.3
SHORTEST = 3
_MARKS = {True: "fits", False: "too large", None: "not read yet"}


class ModelProvider(Provider):
    """Hits for a part of a model's name."""

    name_columns = 44

    def __init__(self, wizard: Wizard) -> None:
        self._wizard = wizard
        self._here: Sequence[Found] = ()
        self._fits: dict[str, bool | None] = {}
        self._fits_on = wizard.session.detected

    async def get_ready(self) -> None:
        """List local models: that reads the disk, and is therefore not done for each letter."""
        self._here = await asyncio.to_thread(self._wizard.sources.models_here)

    def offers(self, text: str) -> Sequence[Offer]:
        """Models on this machine and in the catalogue."""
        from wizard_tui.models.search import matching

        return [self._offer(found) for found in matching(text, self._here)]

    async def further(self, text: str) -> Sequence[Offer]:
        """Models on the Hub."""
        if len(text.strip()) < SHORTEST:
            return ()
        await asyncio.sleep(HUB_PAUSE_S)
        return [self._offer(found) for found in await asyncio.to_thread(self._wizard.sources.search_hub, text)]

    async def looked_into(self, offers: Iterable[Offer]) -> AsyncIterator[None]:
        """Which of them fit: a plan each, with keys let through between them."""
        session = self._wizard.session
        for name in (offer.name for offer in offers):
            if self._fits_on is not session.detected:
                self._fits_on = session.detected
                self._fits.clear()
            if name not in self._fits:
                await asyncio.sleep(0)
                trial = tried(session, name)
                self._fits[name] = None if trial is None else trial.fits
                yield

    def does(self, offer: Offer) -> str:
        """Whether it fits, once that is known, and where it comes from."""
        return f"{_MARKS[self._fits[offer.name]]}, {offer.does}" if offer.name in self._fits else ""

    def _offer(self, found: Found) -> Offer:
        return Offer(found.model_id, found.where, partial(self._wizard.take_model, found.model_id))


def model_palette(wizard: Wizard) -> Palette:
    """The palette that looks for models."""
    return Palette(ModelProvider(wizard), "a part of a model's name, such as qwen3 32b")
