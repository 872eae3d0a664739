"""Facts looked up while the wizard runs: the model's, a moment after the last key; the GPUs; which models fit on
them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from wizard_tui.tui.fields import MODEL
from wizard_tui.tui.messages import ModelsProposed
from wizard_tui.tui.sources import Sources

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from wizard_tui.tui.session import Session

MODEL_PAUSE_S = 0.3
# changing one of these changes the model
OF_THE_MODEL = frozenset({MODEL, "model.revision", "model.params_b"})


class Reading:
    """Asks in workers of a screen and posts the answers to it; a failure without an answer ends the wizard, as a fault
    of ours."""

    def __init__(self, screen: Screen[None], sources: Callable[[], Sources], session: Callable[[], Session]) -> None:
        self._screen, self._sources, self._session = screen, sources, session
        self._pause: Timer | None = None
        self._proposed_for: object = None

    def model_changed(self) -> None:
        """Another model is being typed: facts of the last one do not apply to it."""
        session = self._session()
        session.model_problem = None
        session.model_state = f"reading {session.texts[MODEL].strip() or 'nothing'}"
        if self._pause is not None:
            self._pause.stop()
        self._pause = self._screen.set_timer(MODEL_PAUSE_S, self.ask_model)

    def ask_model(self) -> None:
        """Ask for the facts of the typed model; earlier requests are dropped."""
        session = self._session()
        if model := session.texts[MODEL].strip():
            revision = session.texts["model.revision"].strip() or None
            work = self._sources().read_model(self._screen, model, revision, session.params_b)
            self._screen.run_worker(work, group="model", exclusive=True)

    def ask_gpus(self) -> None:
        """Ask the driver."""
        work = self._sources().find_gpus(self._screen)
        self._screen.run_worker(work, group="gpus", exclusive=True)

    def propose_models(self) -> None:
        """Find out which models fit, once per answer of the driver."""
        session = self._session()
        if session.detected is not None and self._proposed_for is not session.detected:
            self._proposed_for = session.detected
            self._screen.run_worker(self._propose(session), group="propose", exclusive=True)

    async def _propose(self, session: Session) -> None:
        from wizard_tui.tui.proposals import starters

        fitting: dict[str, int] = {}
        for model_id, size in starters(session):
            if size is not None:
                fitting[model_id] = size
            # keys are handled between them
            await asyncio.sleep(0)
        self._screen.post_message(ModelsProposed(fitting))
