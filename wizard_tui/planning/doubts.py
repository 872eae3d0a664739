"""Unknowns about a GPU: each doubt is a sentence, and widens the bands of the figures that rest on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wizard_tui.engine.platforms import unmeasured_band_width
from wizard_tui.hardware.gpu import GPU


def doubt_sentences(gpu: GPU) -> tuple[str, ...]:
    """Every doubt about a GPU, for the user; none where nothing is planned for its platform."""
    return () if gpu.platform.problem else (*_of_generation(gpu), *_of_figures(gpu, gpu.unverified))


def memory_doubts(gpu: GPU) -> tuple[str, ...]:
    """Why the band of the memory is wider on this GPU."""
    return (*_of_generation(gpu), *_of_figures(gpu, [figure for figure in gpu.unverified if figure == "memory"]))


def speed_doubts(gpu: GPU) -> tuple[str, ...]:
    """Why the bands of the speed are wider on this GPU."""
    return (*_of_generation(gpu), *_of_figures(gpu, [figure for figure in gpu.unverified if figure != "memory"]))


def band_width(doubts: Sequence[str]) -> int:
    """The width of a band as a multiple of that of a measured GPU."""
    return unmeasured_band_width() if doubts else 1


def _of_generation(gpu: GPU) -> Iterator[str]:
    generation, capability = gpu.generation, gpu.capability
    if capability is None:
        yield f"the chip of {gpu.name} is not known; it is planned like other {gpu.platform.title}, with wider bands"
    elif not generation.covers(capability):
        like = generation.capabilities[-1] if generation.capabilities else f"other {gpu.platform.title}"
        yield f"the generation {capability} of {gpu.name} is not known; it is planned like {like}, with wider bands"
    elif not generation.measured:
        yield f"no GPU of the generation {capability} was measured; the bands of {gpu.name} are wider"


def _of_figures(gpu: GPU, figures: Sequence[str]) -> Iterator[str]:
    if figures:
        *others, last = figures
        listed = f"{', '.join(others)} and {last}" if others else last
        yield f"{listed} of {gpu.name} have no source in the catalogue; what rests on them has wider bands"
