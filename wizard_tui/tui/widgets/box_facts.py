"""Facts about the planned GPUs, beneath their form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.form import Foot
from wizard_tui.tui.widgets.line_view import Line, wrapped

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.tui.session import Session

COLUMNS = 50


class BoxFacts(Foot):
    """A few lines that change with the GPUs, and with nothing else."""

    def show_facts(self, session: Session) -> None:
        """Draw the facts of each kind of GPU; nothing while there is none."""
        gpus = session.gpus
        lines: list[Line] = []
        for name, count in Counter(gpu.name for gpu in gpus).items():
            lines.append((("", ""),))
            for sentence in _facts(count, next(gpu for gpu in gpus if gpu.name == name)):
                lines.extend(wrapped(sentence, COLUMNS, style="dim", mark=("  ", ""), indent="    "))
        self.show(lines)


def _facts(count: int, gpu: GPU) -> Iterator[str]:
    yield f"{count} x {gpu.name}, {gib(gpu.total_bytes):.2f} GiB{' each' if count > 1 else ''}"
    if gpu.bandwidth_gb_s:
        yield f"{gpu.bandwidth_gb_s:,.0f} GB/s of memory bandwidth"
    if gpu.tflops:
        yield "TFLOP/s: " + ", ".join(f"{kind} {tflops:,.0f}" for kind, tflops in gpu.tflops)
    if gpu.compute_capability:
        yield "compute capability " + ".".join(map(str, gpu.compute_capability))
    if gpu.link_gb_s:
        yield f"linked by {gpu.interconnect}, {gpu.link_gb_s:,.0f} GB/s each way"
    yield f"known from: {gpu.source}"
