"""The last look: every flag with its reason, and the memory in numbers."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from wizard_tui.engine.flags import flag_arguments
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

COLUMNS = 48
INDENT = " " * 6


class Review(VerticalScroll, can_focus=True):
    """Scrolls over flags, memory and the command."""

    def compose(self) -> ComposeResult:
        """One block of lines."""
        yield LineView(id="review-lines")

    def show_plan(self, response: PlanResponse, stale: str | None) -> None:
        """Draw a plan."""
        lines: list[Line] = []
        if stale is not None:
            lines.append(((f"! not applied: {stale}", "warn"),))
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
        lines.append((("Where the numbers come from", "accent"),))
        for name, source in response.accuracy.items():
            lines.append(((f"  {name:<12}", ""), (f"{source.source}, {source.expected_error}", "dim")))
        self.query_one("#review-lines", LineView).show(lines)

    @property
    def _columns(self) -> int:
        return max(30, self.scrollable_content_region.width or COLUMNS)


def _flag(response: PlanResponse, field: str) -> str:
    value = getattr(response.config, field)
    if field == "model":
        return str(value)
    return " ".join(flag_arguments(field, value, response.config.deployment.vllm_version))
