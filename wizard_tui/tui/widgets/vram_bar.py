"""The memory of the GPUs as bars to scale, with a legend in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Line, LineView, Span

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.schemas.outputs import MemoryBreakdown, PlanResponse

LEGEND_COLUMNS = 20
# more kinds of GPUs in one box would push the verdict off the screen
BARS = 4
TALL_ROWS = 6


@dataclass(frozen=True)
class Part:
    """One stretch of the bar: `fill` is its pattern, and `letter`, the capital of its name, stands in its middle for
    when colours cannot tell."""

    name: str
    letter: str
    fill: str
    style: str
    size: int


def claims_of(response: PlanResponse) -> MemoryBreakdown:
    """The memory of one GPU. Where one request of full length keeps vLLM from starting, it counts as the needed
    cache."""
    memory, one_request = response.memory, response.kv_cache.bytes_per_request
    if one_request <= memory.kv_available:
        return memory
    return memory.model_copy(update={"kv_needed": max(memory.kv_needed, one_request)})


def parts_of(memory: MemoryBreakdown) -> list[Part]:
    """The stretches from left to right; sizes in bytes, none negative. The `short` part sticks out of the GPU."""
    spare = memory.kv_available - memory.kv_needed
    room = max(0, memory.budget)
    parts = [Part("Others", "O", "▒", "dim", memory.used_by_others)]
    for part in (
        Part("Weights", "W", "█", "flag", memory.weights),
        Part("Activations", "A", "▓", "warn", memory.activation_peak),
        Part("CUDA Graphs", "G", "▒", "warn", memory.cuda_graphs),
        Part("Non-torch", "N", "░", "warn", memory.non_torch),
        Part("KV needed", "K", "█", "good", memory.kv_needed),
    ):
        inside = min(part.size, room)
        room -= inside
        parts.append(replace(part, size=inside))
    outside = memory.total - memory.used_by_others - memory.budget
    return [
        *parts,
        Part("Spare KV", "S", "▒", "good", max(0, spare)),
        Part("unbudgeted", "·", "·", "dim", max(0, outside)),
        Part("short", "!", "▓", "bad", max(0, -spare)),
    ]


def bar(parts: Sequence[Part], width: int) -> Line:
    """The bar in `width` cells; the largest remainders get the cells that rounding leaves over."""
    total = sum(part.size for part in parts) or 1
    exact = [part.size * width / total for part in parts]
    cells = [int(share) for share in exact]
    for index in sorted(range(len(parts)), key=lambda i: cells[i] - exact[i])[: width - sum(cells)]:
        cells[index] += 1
    return tuple(_stretch(part, count) for part, count in zip(parts, cells, strict=True) if count)


def _stretch(part: Part, cells: int) -> Span:
    middle = (cells - 1) // 2
    filled = part.fill * cells
    return (filled[:middle] + part.letter + filled[middle + 1 :] if cells > 2 else filled), part.style


class VramBar(LineView):
    """A title, one bar for GPUs that are alike, and the legend in numbers of the fullest."""

    def show_plan(self, response: PlanResponse, gpus: Sequence[GPU]) -> None:
        """Draw a plan for these GPUs."""
        width = max(40, self.size.width or 60)
        memory = claims_of(response)
        kinds = _kinds(memory, response.config.deployment.gpu_count, gpus)
        names = {gpu.name for gpu in gpus}
        name = (
            f"{len(gpus)} GPUs"
            if len(names) > 1
            else f"{len(gpus)} x {gpus[0].name}"
            if len(gpus) > 1
            else gpus[0].name
        )
        alike = len({gpu.total_bytes for gpu in gpus}) == 1
        each = "" if len(gpus) == 1 else " each" if alike else " the smallest"
        title: Line = (
            (name, "strong"),
            (f"  {gib(memory.total):.2f} GiB{each}, budget {gib(memory.budget):.2f}", "dim"),
        )
        lines = [title]
        if len(kinds) == 1:
            lines.append(bar(kinds[0][1], width))
        else:
            labels = [label for label, _ in kinds]
            room = width - max(map(len, labels)) - 1
            largest = max(sum(part.size for part in parts) for _, parts in kinds)
            for label, parts in kinds:
                cells = round(room * sum(part.size for part in parts) / largest)
                lines.append(((f"{label:<{width - room}}", "dim"), *bar(parts, cells)))
        lines += _legend(memory, width)
        # room for a second bar, which would otherwise move everything beneath
        rows = TALL_ROWS if self.screen.has_class("-tall") else 0
        self.show([*lines, *[((("", ""),))] * (rows - len(lines))])


def _kinds(memory: MemoryBreakdown, busy: int, gpus: Sequence[GPU]) -> list[tuple[str, list[Part]]]:
    """GPUs side by side that are alike, as a label and their parts."""
    rows = [(index < busy, gpu.total_bytes, gpu.used_bytes) for index, gpu in enumerate(gpus)]
    found: list[tuple[str, list[Part]]] = []
    first = 0
    for (works, total, used), group in groupby(rows):
        count = len(list(group))
        label = f"{first}-{first + count - 1}" if count > 1 else str(first)
        if works:
            parts = parts_of(memory.model_copy(update={"total": total, "used_by_others": used}))
        else:
            label += " idle"
            parts = [Part("Others", "O", "▒", "dim", used), Part("idle", "─", "─", "dim", total - used)]
        found.append((label, parts))
        first += count
    return found[:BARS]


# the cache on the left: it changes most, and cells left of a change are sent with it; then the model, then the rest
_PLACES = (
    *("KV needed", "Weights", "Non-torch"),
    *("Spare KV", "Activations", "Others"),
    *("short", "CUDA Graphs", "unbudgeted"),
)


def _legend(memory: MemoryBreakdown, width: int) -> list[Line]:
    """Every part in a place of its own, even when it is zero: moving text cannot be read."""
    # in full, while the bar shows only the part inside the GPU
    sizes = {
        "Weights": memory.weights,
        "Activations": memory.activation_peak,
        "CUDA Graphs": memory.cuda_graphs,
        "Non-torch": memory.non_torch,
        "KV needed": memory.kv_needed,
    }
    parts = {part.name: part for part in parts_of(memory)}
    cells: list[Span] = []
    for name in _PLACES:
        part = parts[name]
        text = f"{part.fill} {name:<11}{gib(sizes.get(name, part.size)):7.2f}"
        cells.append((f"{text if part.size or name != 'short' else '':<{LEGEND_COLUMNS + 1}}", part.style))
    in_row = min(3, max(1, (width + 1) // (LEGEND_COLUMNS + 1)))
    return [tuple(cells[start : start + in_row]) for start in range(0, len(cells), in_row)]
