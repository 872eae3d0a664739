"""What earlier starts on this machine showed: how much more or less memory vLLM took than was planned.

Kept in one private file under the XDG state directory; removing it removes the correction.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from wizard_tui.files import make_private, read_private, replace_file, state_folder

AT_MOST = 200
LIMIT_BYTES = 1 << 20
OTHER_MODELS = 2
"""A deviation seen with one other model may be due to that model; seen with this many, it is due to the machine."""


@dataclass(frozen=True)
class Observation:
    """One start. `more_bytes` is what vLLM took on one GPU besides its KV cache, minus what was planned."""

    gpu: str
    vllm_version: str
    model: str
    layout: str
    more_bytes: int
    at: str


class Correction(NamedTuple):
    """Bytes to add to the memory besides the KV cache, and how many starts say so; 0 and 0 without any."""

    more_bytes: int = 0
    starts: int = 0


def correction(observed: Sequence[Observation], gpu: str, vllm_version: str, model: str, layout: str) -> Correction:
    """The correction for a plan: from the last start of the same model and layout, else the median of what other
    models on the same GPU and vLLM version showed. `observed` is in the order of the starts: clocks may jump."""
    here = [one for one in observed if (one.gpu, one.vllm_version) == (gpu, vllm_version)]
    same = [one for one in here if (one.model, one.layout) == (model, layout)]
    if same:
        return Correction(same[-1].more_bytes, len(same))
    from statistics import median

    newest = {one.model: one for one in here}
    if len(newest) < OTHER_MODELS:
        return Correction()
    return Correction(round(median(one.more_bytes for one in newest.values())), len(newest))


def _read(data: bytes) -> tuple[Observation, ...]:
    # loaded only when there is a file: most plans are not for a GPU of this machine
    from pydantic import TypeAdapter

    return TypeAdapter(dict[Literal["observed"], tuple[Observation, ...]]).validate_json(data)["observed"]


class Observations:
    """The file of observations, at its usual place or at another path."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_folder() / "observed.json"

    def all(self) -> tuple[Observation, ...]:
        """Everything observed; empty where the file is missing, is not one of ours or may be written by others."""
        with suppress(OSError, ValueError):
            return _read(read_private(self.path, LIMIT_BYTES))
        return ()

    def add(self, observation: Observation) -> None:
        """Keep one more; the oldest are dropped. Raises OSError."""
        rows = [asdict(one) for one in (*self.all(), observation)][-AT_MOST:]
        make_private(self.path.parent)
        replace_file(self.path, json.dumps({"observed": rows}, indent=1))

    def clear(self) -> int:
        """Forget everything; returns how many there were."""
        count = len(self.all())
        with suppress(FileNotFoundError):
            self.path.unlink()
        return count
