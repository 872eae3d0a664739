"""Memory of one GPU beside weights and KV cache: activation peak, CUDA graphs, and memory outside PyTorch.

The forms follow vLLM's profile run (v1/worker/gpu/model_runner.py, gpu_worker.py:determine_available_memory); values
that only measurement can tell are in overhead.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from wizard_tui.engine.versions import NEWEST, release_of, rules_for
from wizard_tui.hardware.gpu import GPU
from wizard_tui.models.caches import is_latent, layer_kinds, widest_head
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.towers import has_tower, patches
from wizard_tui.planning.doubts import band_width, memory_doubts
from wizard_tui.planning.settings import Settings
from wizard_tui.tables import read_table

MIB = 1 << 20
KIB = 1 << 10
# output counts and two bit masks of the sampler: 4 + 2 * 4 / 32 bytes for each sequence and word, rounded as vLLM does
SAMPLER_STATE_BYTES = 4.125
# FlashAttention has no wider heads; vLLM then takes Triton's attention
WIDEST_FLASH = 256


class Overhead(NamedTuple):
    """Bytes on one GPU. `low` and `high` are the 80 % band of what is charged to the budget.

    `cuda_graphs` is vLLM's own estimate; it is charged where `graphs_in_budget`. `unbudgeted` must stay free beside the
    budget, or vLLM dies after its cache is planned.
    """

    activation_peak: int
    cuda_graphs: int
    non_torch: int
    unbudgeted: int
    graphs_in_budget: bool
    low: int
    high: int

    @property
    def budgeted_graphs(self) -> int:
        """The graphs' share of the budget."""
        return self.cuda_graphs if self.graphs_in_budget else 0

    @property
    def budgeted(self) -> int:
        """What comes off the budget beside the weights."""
        return self.activation_peak + self.non_torch + self.budgeted_graphs


class Capture(NamedTuple):
    """The batches that graphs are made for: up to `largest` where it is set, with `tokens_each` tokens of every request
    in a step, and for every small batch when `interactive`."""

    largest: int | None = None
    tokens_each: int = 1
    interactive: bool = False


class _Run(NamedTuple):
    """The sizes that one profile run works with."""

    metadata: ModelMetadata
    tp: int
    pp: int
    tokens: int
    sequences: int
    bytes_each: int
    experts_over: int
    enforce_eager: bool
    vllm_version: str
    capture: Capture

    @classmethod
    def of(cls, metadata: ModelMetadata, settings: Settings) -> _Run:
        layout = settings.layout
        return cls(
            metadata,
            layout.tp,
            layout.pp,
            settings.max_num_batched_tokens,
            min(settings.max_num_seqs, settings.max_num_batched_tokens),
            4 if settings.dtype == "float32" else 2,
            1 if layout.expert_parallel else layout.tp * layout.dp,
            settings.enforce_eager,
            settings.vllm_version,
            Capture(
                settings.max_cudagraph_capture_size,
                1 + settings.speculative_tokens,
                interactive=settings.performance_mode == "interactivity",
            ),
        )


def overhead_of(metadata: ModelMetadata, gpu: GPU, settings: Settings) -> Overhead:
    """The overhead of one rank when vLLM profiles `max_num_batched_tokens` tokens over `max_num_seqs` requests."""
    return _overhead(_Run.of(metadata, settings), gpu)


@lru_cache(maxsize=1024)
def _overhead(run: _Run, gpu: GPU) -> Overhead:
    metadata, rules, measured = run.metadata, rules_for(run.vllm_version), facts()
    age = gpu.generation.overhead
    benchmarked = _benchmarked(run) if rules.model_runner_v2 and not run.enforce_eager else 0
    held = 0
    if rules.model_runner_v2:
        peak = _peak_v2(run, benchmarked)
        state = int(SAMPLER_STATE_BYTES * run.sequences * metadata.vocab_size)
        encoder = run.tokens * metadata.hidden_size * run.bytes_each if has_tower(metadata) else 0
        held = _held(run, benchmarked, age)
        rest = measured["base"][age] * MIB + state + encoder + held
    else:
        first = _first_runner(run.vllm_version)
        peak = _peak_v1(run, first)
        rest = (first["base"] + (first["communicators"] if run.tp > 1 else 0)) * MIB
    graphs = 0 if run.enforce_eager else _graphs(run, gpu, age)
    charged = peak + rest + (graphs if rules.graphs_in_budget else 0)
    band, outside, wide = measured["band"], measured["outside"], band_width(memory_doubts(gpu))
    return Overhead(
        activation_peak=peak,
        cuda_graphs=graphs,
        non_torch=rest,
        unbudgeted=(outside["context"] + outside["after_cache"] + (outside["communicators"] if run.tp > 1 else 0))
        * MIB,
        graphs_in_budget=rules.graphs_in_budget,
        low=max(
            0, int(charged * (1 - wide * band["below_share"])) - wide * band["below"] * MIB - min(held, benchmarked)
        ),
        high=int(charged * (1 + wide * band["above_share"])) + wide * band["above"] * MIB + max(0, benchmarked - held),
    )


def _peak_v2(run: _Run, benchmarked: int) -> int:
    """The largest of a few moments: the compiler's benchmark of the embedding, a layer, the encoder or the sampler."""
    if run.enforce_eager:
        return max(_layer(run), _logits(run, _first_runner(NEWEST)))
    hidden = _hidden(run)
    return max(benchmarked + 2 * hidden, 3 * hidden, _encoder(run))


def _benchmarked(run: _Run) -> int:
    """The tensor that the compiler makes to time the embedding: only for text models on a single GPU."""
    if run.tp > 1 or has_tower(run.metadata):
        return 0
    return run.metadata.vocab_size * run.metadata.hidden_size * run.bytes_each


def _held(run: _Run, benchmarked: int, age: str) -> int:
    """What the allocator keeps of the freed benchmark block: all of it once something lasting lies in it.

    That is the experts' workspace, or cuBLAS's, which is too large on Hopper for the small blocks that are free before
    (32 MiB against 8). Where there is neither, it depends on the boot, which the band covers.
    """
    workspace = _expert_workspace(run)
    lies_in_it = workspace > 0 or age == "hopper_on"
    return max(workspace, benchmarked if lies_in_it else 0)


def _encoder(run: _Run) -> int:
    """The vision tower's run on its largest input: more where a network merges patches than where pooling does."""
    handed_on = patches(run.metadata)
    return int(run.tokens * facts()["encoder"][f"{handed_on}_kib"] * KIB) if handed_on else 0


def _peak_v1(run: _Run, first: Mapping[str, Any]) -> int:
    """A layer at the profiled tokens, or the sampler's dummy run, whichever is larger; experts keep their workspace."""
    return max(_layer(run), _hidden(run) + _logits(run, first)) + _expert_workspace(run)


def _hidden(run: _Run) -> int:
    return run.tokens * run.metadata.hidden_size * run.bytes_each


def _layer(run: _Run) -> int:
    metadata, tokens, each = run.metadata, run.tokens, run.bytes_each
    hidden, heads, width = metadata.hidden_size, metadata.num_attention_heads, metadata.head_dim
    qkv = (heads / run.tp + 2 * max(1, metadata.num_key_value_heads / run.tp)) * width
    attention = tokens * (qkv + heads / run.tp * width + hidden) * each
    inner = (metadata.intermediate_size or 4 * hidden) / run.tp
    network = tokens * (3 * inner + hidden) * each
    if metadata.num_experts:
        network = tokens * (4 * metadata.num_experts + hidden * each)
    return int(2 * tokens * hidden * each + max(attention, network))


def _logits(run: _Run, first: Mapping[str, Any]) -> int:
    logits = run.sequences * run.metadata.vocab_size * first["sampler_bytes"]
    return int(logits + first["beside_sampler"] * MIB)


def _expert_workspace(run: _Run) -> int:
    """What the fused experts keep between layers (fused_moe/modular_kernel.py: two buffers, never chunked)."""
    metadata = run.metadata
    if not metadata.num_experts:
        return 0
    both = 2 * (metadata.moe_intermediate_size or 0) / run.experts_over
    hidden = metadata.hidden_size
    routed = run.tokens * metadata.num_experts_per_tok * run.bytes_each
    return int(routed * (max(both / 2, hidden) + max(both, hidden)))


def _graphs(run: _Run, gpu: GPU, age: str) -> int:
    """vLLM's estimate: a cost for each layer of each FULL decode graph."""
    capture = run.capture
    largest = capture.largest or min(2 * run.sequences * capture.tokens_each, gpu.generation.largest_capture)
    graphs = _decode_graphs(min(largest, run.tokens), run.sequences, capture.tokens_each, capture.interactive)
    return int(_layer_graphs_kib(run.metadata, age) / run.pp * graphs * KIB)


@lru_cache(maxsize=256)
def _layer_graphs_kib(metadata: ModelMetadata, age: str) -> float:
    costs = facts()["graph_kib"][age]
    return float(sum(costs[name] for name in graph_costs(metadata)))


@lru_cache(maxsize=256)
def graph_costs(metadata: ModelMetadata) -> tuple[str, ...]:
    """The cost in overhead.toml of each layer's graph: by its attention, or as a recurrent part that stands alone.

    A recurrent part with a feed-forward network behind it launches as many kernels as attention does.
    """
    wide = widest_head(metadata) > WIDEST_FLASH
    attention = "latent" if is_latent(metadata) else "triton" if wide else "dense"
    alone = metadata.family.one_part_a_layer
    return tuple("state" if kind == "state" and alone else attention for kind in layer_kinds(metadata))


@lru_cache(maxsize=1024)
def _decode_graphs(largest: int, sequences: int, tokens_each: int, interactive: bool) -> int:
    """How many batch sizes get a FULL decode graph (config/vllm.py:_set_cudagraph_sizes)."""
    small = range(1, min(largest, 32) + 1) if interactive else (1, 2, 4)
    sizes = {*small, *range(8, 256, 8), *range(256, largest + 1, 16)}
    return sum(size <= sequences and size * tokens_each <= largest for size in sizes)


@lru_cache(maxsize=64)
def _first_runner(version: str) -> Mapping[str, Any]:
    """The measured terms of a version's first model runner: each change holds from `since` on."""
    terms: dict[str, Any] = {}
    for change in facts()["first_runner"]:
        if release_of(change["since"]) <= release_of(version):
            terms |= change
    return terms


@lru_cache(maxsize=1)
def facts() -> dict[str, Any]:
    """The measured terms."""
    return read_table(__package__, "overhead.toml")
