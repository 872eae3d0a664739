"""Facts about the model, beneath its form: size, shape, download, licence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard_tui.schemas.numbers import gib
from wizard_tui.tui.widgets.form import Foot
from wizard_tui.tui.widgets.line_view import Line, wrapped

if TYPE_CHECKING:
    from wizard_tui.models.metadata import ModelMetadata
    from wizard_tui.tui.session import Session

COLUMNS = 50
GIGABIT_BYTES_PER_MINUTE = 1e9 / 8 * 60


class ModelFacts(Foot):
    """A few lines that change with the model, and with nothing else."""

    def show_facts(self, session: Session) -> None:
        """Draw the facts; nothing while there are none."""
        self.show(_lines(session.metadata) if session.metadata is not None else [])


def _lines(metadata: ModelMetadata) -> list[Line]:
    about = metadata.repository
    active = f", {metadata.active_params / 1e9:,.1f} active" if metadata.num_experts else ""
    sentences = [
        f"{metadata.params_billions:,.1f} billion parameters{active}; {metadata.num_hidden_layers} layers; "
        f"{metadata.quantization or metadata.dtype}; up to {metadata.max_position_embeddings:,} tokens",
    ]
    if size := about.checkpoint_bytes:
        minutes = size / GIGABIT_BYTES_PER_MINUTE
        sentences.append(f"{gib(size):,.1f} GiB to download, {minutes:,.0f} min at 1 Gbit/s")
    if about.license:
        sentences.append(f"licence {about.license}")
    if about.gated:
        sentences.append(f"gated: accept its licence at https://huggingface.co/{metadata.model_id}, then log in")
    if about.has_chat_template is False:
        sentences.append("no chat template: /v1/chat/completions needs one by --chat-template")
    sentences.append(f"known from: {metadata.source}")
    lines: list[Line] = [(("", ""),)]
    for sentence in sentences:
        lines.extend(wrapped(sentence, COLUMNS, style="dim", mark=("  ", ""), indent="    "))
    return lines
