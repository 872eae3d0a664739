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
"""A figure of one other model may be that model's own; of so many it is the machine's."""


@dataclass(frozen=True)
class Observation:
    """One start. `more_bytes` is what vLLM took on one GPU beside its KV cache, less what was planned."""

    gpu: str
    vllm_version: str
    model: str
    layout: str
    more_bytes: int
    at: str


class Correction(NamedTuple):
    """What is added to the memory beside the KV cache, and how many starts say so; none: 0 and 0."""

    more_bytes: int = 0
    starts: int = 0


def correction(observed: Sequence[Observation], gpu: str, vllm_version: str, model: str, layout: str) -> Correction:
    """The correction for a plan: from the last start of the same model and layout, else from the middle of what other
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
    # loaded when there is a file: most plans are for no GPU of this machine
    from pydantic import TypeAdapter

    return TypeAdapter(dict[Literal["observed"], tuple[Observation, ...]]).validate_json(data)["observed"]


class Observations:
    """The file of what was observed, or another one."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_folder() / "observed.json"

    def all(self) -> tuple[Observation, ...]:
        """Everything observed; nothing where the file is missing, is none of ours or may be written by others."""
        with suppress(OSError, ValueError):
            return _read(read_private(self.path, LIMIT_BYTES))
        return ()

    def add(self, observation: Observation) -> None:
        """Keep one more; the oldest give way. Raises OSError."""
        rows = [asdict(one) for one in (*self.all(), observation)][-AT_MOST:]
        make_private(self.path.parent)
        replace_file(self.path, json.dumps({"observed": rows}, indent=1))

    def clear(self) -> int:
        """Forget everything; how many there were."""
        count = len(self.all())
        with suppress(FileNotFoundError):
            self.path.unlink()
        return count
