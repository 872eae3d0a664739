"""Activations, CUDA graphs and non-torch memory of one GPU."""

from __future__ import annotations

from dataclasses import dataclass

from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.schemas.numbers import GIB


@dataclass(frozen=True)
class Overhead:
    activation_peak: int
    cuda_graphs: int
    non_torch: int
    unbudgeted: int
    graphs_in_budget: bool
    low: int
    high: int

    @property
    def budgeted_graphs(self) -> int:
        return self.cuda_graphs if self.graphs_in_budget else 0

    @property
    def budgeted(self) -> int:
        return self.activation_peak + self.non_torch + self.budgeted_graphs


def overhead_for(
    metadata: ModelMetadata,
    gpu: GPU,
    *,
    tp: int,
    pp: int = 1,
    dp: int = 1,
    expert_parallel: bool = False,
    dtype: str,
    max_num_seqs: int,
    max_num_batched_tokens: int,
    enforce_eager: bool = False,
    vllm_version: str,
    max_model_len: int,
) -> Overhead:
    peak = 2 * metadata.vocab_size * metadata.hidden_size + 4 * max_num_batched_tokens * metadata.hidden_size
    graphs = 0 if enforce_eager else metadata.num_hidden_layers * 51 * 400 * 1024
    base = int(4.125 * max_num_seqs * metadata.vocab_size) + GIB // 4
    total = peak + graphs + base
    return Overhead(peak, graphs, base, GIB, True, int(0.8 * total), int(1.3 * total))
