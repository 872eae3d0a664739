"""The memory of one GPU as a bar to scale, with a legend in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Line, LineView, Span

if TYPE_CHECKING:
    from wizard_tui.schemas.outputs import MemoryBreakdown, PlanResponse


@dataclass(frozen=True)
class Part:
    """One stretch of the bar: a letter stands for it where colours cannot tell, `fill` is its pattern."""

    name: str
    letter: str
    fill: str
    style: str
    size: int


def parts_of(memory: MemoryBreakdown) -> list[Part]:
    """The stretches from left to right; sizes in bytes, none negative."""
    spare = memory.kv_available - memory.kv_needed
    needed = min(memory.kv_needed, max(0, memory.kv_available))
    outside = memory.total - memory.used_by_others - memory.budget
    return [
        Part("others", "o", "▒", "dim", memory.used_by_others),
        Part("weights", "W", "█", "flag", memory.weights),
        Part("activations", "A", "▓", "warn", memory.activation_peak),
        Part("graphs", "G", "▒", "warn", memory.cuda_graphs),
        Part("non-torch", "N", "░", "warn", memory.non_torch),
        Part("KV needed", "K", "█", "good", needed),
        Part("KV spare", "k", "▒", "good", max(0, spare)),
        Part("outside budget", "·", "·", "dim", max(0, outside)),
    ]


def bar(parts: list[Part], width: int) -> Line:
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
    """Bar and legend of the fullest GPU, for as many as the plan uses."""

    def show_plan(self, response: PlanResponse, gpu_name: str, gpus: int) -> None:
        """Draw a plan."""
        memory = response.memory
        parts = parts_of(memory)
        width = max(20, self.size.width or 60)
        count = f"{gpus} x " if gpus > 1 else ""
        title: Line = (
            (f"{count}{gpu_name}", "strong"),
            (f"  {gib(memory.total):.2f} GiB each" if gpus > 1 else f"  {gib(memory.total):.2f} GiB", ""),
            (f"  budget {gib(memory.budget):.2f}", "dim"),
        )
        self.show([title, bar(parts, width), *_legend(parts, memory, width)])


def _legend(parts: list[Part], memory: MemoryBreakdown, width: int) -> list[Line]:
    cells: list[Span] = []
    for part in parts:
        if part.size or part.name in ("weights", "KV spare"):
            cells.append((f"{part.letter} {part.name} {gib(part.size):.2f}", part.style))
    if memory.kv_available < memory.kv_needed:
        missing = gib(memory.kv_needed - memory.kv_available)
        cells.append((f"! short {missing:.2f}", "bad"))
    lines: list[Line] = []
    column = 24
    in_row = max(1, width // column)
    for start in range(0, len(cells), in_row):
        row = cells[start : start + in_row]
        lines.append(tuple((f"{text:<{column}}", style) for text, style in row))
    return lines
