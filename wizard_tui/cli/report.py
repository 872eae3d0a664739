"""A plan in plain text, for a terminal or a pipe: data is never read as markup, colour alone says nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from wizard_tui.cli.parser import UsageError
from wizard_tui.engine.flags import flag_arguments
from wizard_tui.hardware.gpu import Detection
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.numbers import gib
from wizard_tui.schemas.outputs import PlanResponse, Range

PIPE_COLUMNS = 100


def print_plan(request: PlanRequest, response: PlanResponse) -> None:
    """Verdict, memory, cache, speed, warnings, suggestions and the command."""
    console = _console()
    feasibility = response.feasibility
    word, style = ("FITS", "bold green") if feasibility.fits else ("DOES NOT FIT", "bold red")
    deployment = response.config.deployment
    console.print(_plain(f"{request.model.model} on {_box(response)}, vLLM {deployment.vllm_version}"))
    console.print(Text.assemble((word, style), f"  {_safe(feasibility.verdict)}"))
    console.print(_memory(response))
    console.print(_pairs("KV cache", _cache(response)))
    console.print(_pairs("Speed (80 % ranges)", _speed(request, response)))
    if response.config.explanations:
        console.print(_pairs("Why", _reasons(response)))
    for title, lines in (
        ("Warnings", feasibility.warnings),
        ("What would help", [entry.title for entry in feasibility.suggestions]),
        ("Assumptions", response.performance.assumptions[:3]),
    ):
        if lines:
            console.print(_plain(title, "bold"))
            console.print(_bullets(lines))
    console.print(_plain("Command", "bold"))
    # a command is copied, so none of its lines may be broken or padded
    sys.stdout.flush()
    sys.stdout.write(response.artifacts.serve_command.rstrip("\n") + "\n")


def print_detection(found: Detection) -> None:
    """The GPUs of this machine and what there is to know about them."""
    console = _console()
    if found.driver_version or found.cuda_version:
        console.print(_plain(f"driver {found.driver_version or 'unknown'}, CUDA {found.cuda_version or 'unknown'}"))
    if found.installed_vllm:
        console.print(_plain(f"vLLM {found.installed_vllm}"))
    if found.gpus:
        table = _table("", "GPU", "GiB", "in use", "compute", "link")
        for gpu in found.gpus:
            capability = (
                ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else gpu.architecture or ""
            )
            table.add_row(
                *map(
                    _plain,
                    (
                        "" if gpu.index is None else str(gpu.index),
                        gpu.name,
                        f"{gib(gpu.total_bytes):.2f}",
                        f"{gib(gpu.used_bytes):.2f}",
                        capability,
                        gpu.interconnect,
                    ),
                )
            )
        console.print(table)
        for gpu in found.gpus:
            for holder in gpu.holders:
                console.print(_plain(f"GPU {gpu.index}: {holder}"))
    for problem in found.problems:
        console.print(_plain(problem))


def _console() -> Console:
    if sys.stdout is None:
        raise UsageError("stdout is closed, and what was asked for goes there; leave >&- out")
    terminal = sys.stdout.isatty()
    return Console(
        file=sys.stdout, markup=False, highlight=False, emoji=False, width=None if terminal else PIPE_COLUMNS
    )


def _safe(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _plain(text: str, style: str = "") -> Text:
    return Text(_safe(text), style=style)


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(
            heading,
            justify="right" if heading in ("GiB", "in use", "% of budget") else "left",
            overflow="fold" if number else "ellipsis",
        )
    return table


def _memory(response: PlanResponse) -> Table:
    memory = response.memory
    table = _table("Memory of one GPU", "GiB", "% of budget")
    rows = (
        ("total", memory.total, False),
        ("used by others", memory.used_by_others, False),
        ("budget (gpu_memory_utilization)", memory.budget, True),
        ("  weights", memory.weights, True),
        ("  activation peak", memory.activation_peak, True),
        ("  CUDA graphs", memory.cuda_graphs, True),
        ("  non-torch", memory.non_torch, True),
        ("  KV cache available", memory.kv_available, True),
        ("KV cache the workload needs", memory.kv_needed, True),
        ("left over (negative: short)", memory.kv_available - memory.kv_needed, True),
    )
    for name, size, share in rows:
        percent = f"{100 * size / memory.budget:.1f}" if share and memory.budget else ""
        table.add_row(name, f"{gib(size):.2f}", percent)
    return table


def _cache(response: PlanResponse) -> Iterable[tuple[str, str]]:
    cache, feasibility = response.kv_cache, response.feasibility
    low, high = cache.tokens_range
    length = response.config.max_model_len
    yield "GPU KV cache size", f"{cache.tokens:,} tokens ({low:,} to {high:,})"
    of = f" for {length:,} tokens per request" if length else ""
    yield "Maximum concurrency", f"{cache.max_concurrency:.2f}x{of}"
    yield "at the planned concurrency", f"up to {feasibility.max_context_at_concurrency:,} tokens a request"
    yield "one request", f"{gib(cache.bytes_per_request):.3f} GiB"


def _speed(request: PlanRequest, response: PlanResponse) -> Iterable[tuple[str, str]]:
    speed = response.performance
    yield f"output at concurrency {request.workload.concurrency}", f"{_range(speed.decode_toks_per_s_range)} tok/s"
    yield "one user alone", f"{_range(speed.single_stream_toks_per_s_range)} tok/s"
    yield "saturated", f"{_range(speed.saturated_toks_per_s_range)} tok/s"
    yield "prefill", f"{_range(speed.prefill_toks_per_s_range)} tok/s"
    yield (
        ("time to first token" if response.config.deployment.streaming else "time to the answer"),
        f"{_range(speed.ttft_ms_range)} ms",
    )
    yield "time per output token", f"{_range(speed.tpot_ms_range)} ms"
    if speed.concurrency_at_slo is not None:
        yield "concurrency within the goals", f"{speed.concurrency_at_slo:,}"
    yield "limited by", speed.limited_by


def _reasons(response: PlanResponse) -> Iterable[tuple[str, str]]:
    config = response.config
    for field, reason in config.explanations.items():
        value = getattr(config, field)
        flag = [str(value)] if field == "model" else flag_arguments(field, value, config.deployment.vllm_version)
        yield " ".join(flag), reason


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = _table(title, "")
    for name, value in rows:
        table.add_row(_plain(name), _plain(value))
    return table


def _bullets(lines: Sequence[str]) -> Table:
    table = Table.grid(padding=(0, 1))
    for line in lines:
        table.add_row("-", _plain(line))
    return table


def _range(bounds: Range) -> str:
    low, high = bounds
    digits = 0 if low >= 10 else 1
    return f"{low:,.{digits}f} to {high:,.{digits}f}"


def _box(response: PlanResponse) -> str:
    deployment = response.config.deployment
    count = deployment.gpu_count * deployment.nodes
    return f"{count} GPU{'s' if count > 1 else ''} of {gib(response.memory.total):.2f} GiB"
