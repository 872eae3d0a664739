"""The slow questions, asked in workers: what model is this, and what is in the box? They only post messages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wizard_tui.tui.messages import GpusFound, ModelRead

if TYPE_CHECKING:
    from textual.message_pump import MessagePump


async def read_model(target: MessagePump, model: str, revision: str | None) -> None:
    """Load a model's metadata in a thread and post the answer; the receiver checks that it is still wanted."""

    def load() -> ModelRead:
        from wizard_tui.models.metadata import load_model_metadata

        try:
            return ModelRead(model, load_model_metadata(model, revision))
        except (ValueError, OSError) as error:
            return ModelRead(model, None, str(error))

    target.post_message(await asyncio.to_thread(load))


async def find_gpus(target: MessagePump) -> None:
    """Ask the driver in a thread; it answers within two seconds or is given up."""

    def ask() -> GpusFound:
        from wizard_tui.hardware.detect import detect

        found = detect()
        return GpusFound(found.gpus, found.problems)

    target.post_message(await asyncio.to_thread(ask))
