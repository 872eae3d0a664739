"""What is known of the GPUs that are planned for, beneath their form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.line_view import Line, LineView, wrapped

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU

COLUMNS = 50


class BoxFacts(LineView):
    """A few lines that change with the GPUs, and with nothing else."""

    def show_gpus(self, gpus: Sequence[GPU]) -> None:
        """Draw the facts of the first GPU; nothing while there is none."""
        self.show(_lines(gpus) if gpus else [])


def _lines(gpus: Sequence[GPU]) -> list[Line]:
    gpu = gpus[0]
    sentences = [f"{len(gpus)} x {gpu.name}, {gib(gpu.total_bytes):.2f} GiB as CUDA counts it"]
    if gpu.bandwidth_gb_s:
        sentences.append(f"{gpu.bandwidth_gb_s:,.0f} GB/s of memory bandwidth")
    if gpu.tflops:
        sentences.append("TFLOP/s: " + ", ".join(f"{kind} {tflops:,.0f}" for kind, tflops in gpu.tflops))
    if gpu.compute_capability:
        sentences.append("compute capability " + ".".join(map(str, gpu.compute_capability)))
    if gpu.link_gb_s:
        sentences.append(f"linked by {gpu.interconnect}, {gpu.link_gb_s:,.0f} GB/s each way")
    if gpu.used_bytes:
        sentences.append(f"{gib(gpu.used_bytes):.2f} GiB held by {', '.join(gpu.holders) or 'other processes'}")
    sentences.append(f"known from: {gpu.source}")
    lines: list[Line] = [(("", ""),)]
    for sentence in sentences:
        lines.extend(wrapped(sentence, COLUMNS, style="dim", mark=("  ", ""), indent="    "))
    return lines
