"""Which `--quantization` vLLM takes for a checkpoint on a GPU; the facts are in quantization.toml."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import NamedTuple

from wizard_tui.engine.platforms import platform_named
from wizard_tui.tables import read_table


class Method(NamedTuple):
    """One name that `--quantization` takes; the fields are explained in quantization.toml."""

    name: str
    capability: int
    cuda: bool = True
    rocm: bool = False
    like: str = ""
    online: bool = False
    moe: bool = False

    @property
    def checkpoint(self) -> str:
        """The method that a checkpoint states in its config and that this one reads."""
        return self.like or self.name


def refusal(
    method: str,
    *,
    checkpoint: str | None,
    compute_capability: tuple[int, int] | None,
    vendor: str = "nvidia",
    experts: bool = False,
) -> str | None:
    """Why vLLM would refuse `method`, with the cure in one sentence; None when it takes it.

    `checkpoint` is the method that the checkpoint's config states, None for an unquantised one.
    """
    known, instead = _tables()
    if method not in known:
        near = instead.get(method) or next(iter(difflib.get_close_matches(method, known, 1)), None)
        return f"vLLM has no quantization {method!r}{f'; {near} is the nearest' if near else ''}"
    entry = known[method]
    if checkpoint is not None:
        if checkpoint not in (method, entry.checkpoint) and entry.checkpoint != known_checkpoint(checkpoint):
            return (
                f"the checkpoint is quantised with {checkpoint}, which {method} cannot read; leave quantization empty"
            )
    elif not entry.online:
        cure = (
            f"{instead[method]} quantises it while it loads" if method in instead else "take a checkpoint made with it"
        )
        return f"{method} needs a checkpoint that is already quantised, and this one is not; {cure}"
    if entry.moe and not experts:
        return f"{method} quantises the experts of a mixture, and this model has none"
    platform = platform_named(vendor)
    if not getattr(entry, platform.quantization):
        return f"vLLM has no {method} on {platform.title}"
    if compute_capability is not None and 10 * compute_capability[0] + compute_capability[1] < entry.capability:
        major, minor = divmod(entry.capability, 10)
        return (
            f"{method} needs compute capability {major}.{minor}, the GPU has {'.'.join(map(str, compute_capability))}"
        )
    return None


def names() -> tuple[str, ...]:
    """Every method that `--quantization` takes."""
    return tuple(_tables()[0])


def replacement(method: str) -> str | None:
    """The method that now does what people expect of `method`; None where no other is known."""
    return _tables()[1].get(method)


def known_checkpoint(method: str) -> str:
    """The common name of a checkpoint's method: `modelopt_fp4` is a kind of `modelopt`."""
    entry = _tables()[0].get(method)
    return entry.checkpoint if entry is not None else method


@lru_cache(maxsize=1)
def _tables() -> tuple[dict[str, Method], dict[str, str]]:
    tables = read_table(__package__, "quantization.toml")
    return {name: Method(name=name, **row) for name, row in tables["method"].items()}, tables["instead"]
