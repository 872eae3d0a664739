"""Messages between the wizard's parts, for when something that took time is done.

Effects of a key are not sent this way: a message would be read after the next keys have been handled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.hardware.observed import Observation
    from wizard_tui.models.metadata import ModelMetadata


class Replan(Message):
    """A field changed. Many of these in the queue become one, so a burst of keys is planned once."""

    def can_replace(self, message: Message) -> bool:
        """A newer one replaces this one."""
        return isinstance(message, Replan)


@dataclass
class ModelRead(Message):
    """A model's facts are here, or the sentence that says why not, and whether this program is to blame."""

    model: str
    metadata: ModelMetadata | None
    problem: str = ""
    is_ours: bool = False


@dataclass
class GpusFound(Message):
    """The driver has answered, or the sentences that say why not."""

    gpus: Sequence[GPU]
    problems: Sequence[str] = ()
    installed_vllm: str | None = None
    observed: Sequence[Observation] = ()


@dataclass
class ModelsProposed(Message):
    """Which well-known models fit, the largest first, each with the bytes of its weights on one GPU."""

    fitting: Mapping[str, int]
