"""The last look: every flag with its reason, and the memory in numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widget import Widget

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Click, Line, LineView, wrapped
from wizard_tui.tui.widgets.quiet import QuietScroll

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.planning.alternatives import Alternative
    from wizard_tui.planning.suggest import Patch
    from wizard_tui.schemas.outputs import PlanResponse

SCROLLBAR_COLUMNS = 1
INDENT = " " * 6
OTHERS = 8
BOXES = 6


class Review(QuietScroll, can_focus=True):
    """Scrolls over flags, memory and the command."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "take(0)", "take the way of that number", key_display=f"1 to {OTHERS}"),
        *(Binding(str(number), f"take({number - 1})", system=True) for number in range(2, OTHERS + 1)),
    ]

    def __init__(self, *, id: str, on_take: Callable[[Patch], None]) -> None:  # noqa: A002
        """`on_take` gets the change of the request by which another way is taken."""
        super().__init__(id=id)
        self._on_take = on_take
        self._others: Sequence[Alternative] = ()

    def action_take(self, index: int) -> None:
        """Take one of the other ways on screen."""
        if index < len(self._others):
            self._on_take(self._others[index].patch)

    def compose(self) -> ComposeResult:
        """One block of lines."""
        yield LineView(id="review-lines")

    def show_plan(
        self,
        response: PlanResponse,
        others: Sequence[Alternative],
        boxes: Sequence[tuple[GPU, int]],
        stale: str | None,
    ) -> None:
        """Draw a plan, other ways on these GPUs, and other boxes that would do."""
        self._others = others[:OTHERS]
        lines: list[Line] = []
        if stale is not None:
            lines.append(((f"! not applied: {stale}", "warn"),))
        if response.feasibility.warnings:
            lines.append((("Warnings", "accent"),))
            for warning in response.feasibility.warnings:
                lines.extend(wrapped(warning, self._columns, mark=("  - ", "warn"), indent=" " * 4))
            lines.append((("", ""),))
        lines.append((("Flags", "accent"),))
        for field, reason in response.config.explanations.items():
            lines.append(((f"  {_flag(response, field)}", "flag"),))
            lines.extend(wrapped(reason, self._columns, style="dim", mark=(INDENT, ""), indent=INDENT))
        lines.append((("", ""),))
        lines.append((("Memory of one GPU in GiB", "accent"),))
        memory = response.memory
        for name, size in (
            ("weights", memory.weights),
            ("activation peak", memory.activation_peak),
            ("CUDA graphs", memory.cuda_graphs),
            ("non-torch", memory.non_torch),
            ("KV cache available", memory.kv_available),
            ("= budget", memory.budget),
            ("KV cache needed", memory.kv_needed),
            ("in use by others", memory.used_by_others),
            ("total", memory.total),
        ):
            lines.append(((f"  {name:<20}", ""), (f"{gib(size):>9.2f}", "strong")))
        lines.append((("", ""),))
        lines.append((("Command", "accent"),))
        lines.extend(((f"  {line}", ""),) for line in response.artifacts.serve_command.splitlines())
        lines.append((("", ""),))
        lines.append((("Other ways on these GPUs", "accent"), ("  a digit takes one", "dim")))
        clicks: dict[int, list[Click]] = {}
        for number, other in enumerate(self._others, 1):
            clicks[len(lines)] = [(self._columns, f"focused.take({number - 1})")]
            lines.append(((f"  {number} ", "key"), (other.title, "" if other.fits else "dim")))
            lines.extend(wrapped(_figures(other), self._columns, style="dim", mark=(INDENT, ""), indent=INDENT))
        lines.append((("", ""),))
        lines.append((("Smallest boxes that would do", "accent"),))
        names = ", ".join(f"{count} x {gpu.name}" for gpu, count in boxes[:BOXES]) or "none of the catalogue"
        lines.extend(wrapped(names, self._columns, mark=("  ", ""), indent="  "))
        lines.append((("", ""),))
        lines.append((("Where the numbers come from", "accent"),))
        for name, source in response.accuracy.items():
            lines.append(((f"  {name:<12}", ""), (f"{source.source}, {source.expected_error}", "dim")))
        self.query_one("#review-lines", LineView).show(lines, clicks)

    @property
    def _columns(self) -> int:
        # its future size: it is drawn before it is first shown
        place = self.parent.content_size.width if isinstance(self.parent, Widget) else 0
        return max(30, place - SCROLLBAR_COLUMNS)


def _figures(other: Alternative) -> str:
    low, high = other.toks_per_s
    goals = "".join(f", keeps {name}" for name in other.goals) + "".join(f", misses {name}" for name in other.misses)
    if not other.fits:
        return f"{other.weights_gib:.1f} GiB of weights on each GPU, does not fit"
    tight = "tight, " if other.tight else ""
    return f"{tight}room for {other.concurrency:,} users like yours, {low:,.0f} to {high:,.0f} tok/s{goals}"


def _flag(response: PlanResponse, field: str) -> str:
    from wizard_tui.engine.flags import flag_arguments

    value = getattr(response.config, field)
    if field == "model":
        return str(value)
    return " ".join(flag_arguments(field, value, response.config.deployment.vllm_version))
