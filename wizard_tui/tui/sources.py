"""The slow questions, asked in workers: what model is this, and what is in the box? They only post messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard_tui.errors import Refusal, fault
from wizard_tui.tui.messages import GpusFound, ModelRead

if TYPE_CHECKING:
    from textual.message_pump import MessagePump

    from wizard_tui.hardware.gpu import Detection
    from wizard_tui.hardware.observed import Observation
    from wizard_tui.launch.machine import Machine
    from wizard_tui.models.metadata import ModelMetadata
    from wizard_tui.models.search import Found
    from wizard_tui.schemas.outputs import PlanResponse


def _load_model(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
    from wizard_tui.models.load import load_model_metadata

    return load_model_metadata(model, revision, params_b=params_b)


def _detect() -> Detection:
    from wizard_tui.hardware.detect import detect

    return detect()


def _observed() -> Sequence[Observation]:
    from wizard_tui.hardware.observed import Observations

    return Observations().all()


def _models_here() -> Sequence[Found]:
    from wizard_tui.models.search import models_here

    return models_here()


def _search_hub(text: str) -> Sequence[Found]:
    from wizard_tui.models.search import search_hub

    return search_hub(text)


def _look(response: PlanResponse | None, way: str) -> Machine:
    from wizard_tui.launch.look import look

    return look(response, way)


@dataclass(frozen=True)
class Sources:
    """Where facts come from: the disk, the Hub and the driver, unless a caller has them already.

    All are called in a thread; `load_model` and `search_hub` raise Refusal or OSError with one plain sentence.
    """

    load_model: Callable[[str, str | None, float | None], ModelMetadata] = _load_model
    detect: Callable[[], Detection] = _detect
    observed: Callable[[], Sequence[Observation]] = _observed
    models_here: Callable[[], Sequence[Found]] = _models_here
    search_hub: Callable[[str], Sequence[Found]] = _search_hub
    look: Callable[[PlanResponse | None, str], Machine] = _look

    async def read_model(self, target: MessagePump, model: str, revision: str | None, params_b: float | None) -> None:
        """Load a model's metadata and post the answer; the receiver checks that it is still wanted."""

        def load() -> ModelRead:
            try:
                return ModelRead(model, self.load_model(model, revision, params_b))
            except (Refusal, OSError) as error:
                return ModelRead(model, None, str(error))
            except Exception as error:  # a fault of ours must not lose what was typed
                return ModelRead(model, None, fault(error, f"{model} is not read"), is_ours=True)

        target.post_message(await asyncio.to_thread(load))

    async def find_gpus(self, target: MessagePump) -> None:
        """Ask the driver and post the answer, with what earlier starts here have shown."""
        found, observed = await asyncio.to_thread(lambda: (self.detect(), self.observed()))
        target.post_message(GpusFound(found.gpus, found.problems, found.installed_vllm, observed))
