"""`models search` and `models show`: what is known of models, without planning one."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wizard_tui.cli import completion
from wizard_tui.cli.options import UsageError
from wizard_tui.cli.pages import Page, group

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.models.metadata import ModelMetadata
    from wizard_tui.models.search import Found

app = group(help="Find models, and say what is known of one.")

GPU_NAME = Annotated[
    str,
    typer.Option(
        "--gpu",
        metavar="TEXT",
        help="mark what fits this GPU; auto means this machine's",
        autocompletion=completion.gpus,
    ),
]
AS_JSON = Annotated[bool, typer.Option("--json", help="print JSON")]


@app.command(cls=Page)
def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="a part of a name, such as 'qwen3 32b'")],
    gpu: GPU_NAME = "auto",
    gpus: Annotated[
        int | None,
        typer.Option("--gpus", metavar="NUMBER", help="how many of them; all of this machine's by default"),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """List models of this machine, the catalogue and the Hub by a part of their name, and mark those that fit."""
    from wizard_tui.models.search import search_here, search_hub

    found = search_here(text)
    try:
        here = {one.model_id for one in found}
        found += [one for one in search_hub(text) if one.model_id not in here]
    except ValueError as problem:
        sys.stderr.write(f"note: {problem}\n")
    box = _box(gpu, gpus)
    rows = [{**asdict(one), "fits": _fits(one, box)} for one in found]
    if as_json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    if not rows:
        raise UsageError(f"no model has {text!r} in its name; try fewer letters, or give the whole id to `models show`")
    words = {True: "fits", False: "too large", None: ""}
    width = max(len(one.model_id) for one in found)
    for one, row in zip(found, rows, strict=True):
        sys.stdout.write(f"{_safe(one.model_id):<{width}}  {words[row['fits']]:<9}  {one.where}\n".rstrip() + "\n")


@app.command(cls=Page)
def show(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Hub id, address, local directory or GGUF file", autocompletion=completion.models
        ),
    ],
    revision: Annotated[str | None, typer.Option("--revision", metavar="TEXT", help="branch, tag or commit")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Say what is known of a model: shape, size, quantisation, licence, and what surrounds it."""
    from wizard_tui.models.load import load_model_metadata

    try:
        facts = _facts(load_model_metadata(model, revision))
    except (ValueError, OSError) as error:
        raise UsageError(str(error)) from None
    if as_json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return
    for name, value in facts.items():
        if value not in (None, [], ""):
            sys.stdout.write(f"{name.replace('_', ' '):<20} {_safe(_word(value))}\n")


def _box(gpu: str, gpus: int | None) -> tuple[GPU, ...]:
    """The GPUs that marks are for; none where there are none, which marks nothing."""
    from wizard_tui.resolve import resolve_gpus
    from wizard_tui.schemas.inputs import HardwareInput

    try:
        if gpu == "auto":
            from wizard_tui.hardware.detect import detect

            return detect().gpus[:gpus]
        return resolve_gpus(HardwareInput.model_validate({"gpu": gpu, "gpus": gpus or 1}))
    except ValueError as error:
        raise UsageError(str(error)) from None


def _fits(found: Found, box: tuple[GPU, ...]) -> bool | None:
    """Whether a model of the catalogue fits the box; None where that is not known without reading it."""
    from wizard_tui.models import catalog
    from wizard_tui.models.load import metadata_from_catalog
    from wizard_tui.planning.decide import decide
    from wizard_tui.resolve import Facts
    from wizard_tui.schemas.inputs import PlanRequest

    entry = catalog.find(found.model_id)
    if entry is None or not box:
        return None
    request = PlanRequest.model_validate({"model": {"model": entry.id}})
    return decide(request, Facts(metadata_from_catalog(entry), box)).fits


def _facts(metadata: ModelMetadata) -> dict[str, Any]:
    about = metadata.repository
    return {
        "model": metadata.model_id,
        "revision": metadata.revision,
        "source": metadata.source,
        "architecture": metadata.architecture,
        "parameters": metadata.num_params,
        "active_parameters": metadata.active_params if metadata.num_experts else None,
        "layers": metadata.num_hidden_layers,
        "hidden_size": metadata.hidden_size,
        "attention_heads": metadata.num_attention_heads,
        "key_value_heads": metadata.num_key_value_heads,
        "head_dim": metadata.head_dim,
        "experts": metadata.num_experts or None,
        "experts_per_token": metadata.num_experts_per_tok or None,
        "vocabulary": metadata.vocab_size,
        "longest_context": metadata.max_position_embeddings,
        "precision": metadata.dtype,
        "quantization": metadata.quantization,
        "download_gib": round(about.checkpoint_bytes / (1 << 30), 2) if about.checkpoint_bytes else None,
        "minutes_at_1_gbit_s": round(about.checkpoint_bytes * 8 / 1e9 / 60, 1) if about.checkpoint_bytes else None,
        "licence": about.license,
        "gated": about.gated,
        "task": about.pipeline_tag,
        "chat_template": about.has_chat_template,
        "generation_defaults": about.has_generation_config,
        "read_from": about.source,
        "warnings": list(metadata.warnings),
    }


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _safe(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
