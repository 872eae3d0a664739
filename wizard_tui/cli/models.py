"""`models search` and `models show`: what is known of models, without planning one."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError, Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from wizard_tui.cli import completion
from wizard_tui.cli.parser import Command, Parser, UsageError
from wizard_tui.errors import Refusal
from wizard_tui.models.config_shapes import shown
from wizard_tui.schemas.secrets import refuse_token, without_secrets_in

if TYPE_CHECKING:
    from wizard_tui.hardware.gpu import GPU
    from wizard_tui.models.metadata import ModelMetadata
    from wizard_tui.models.search import Found


def about(found: Namespace) -> int:
    """Find models, and say what is known of one."""
    raise UsageError("say what to do with models: search or show; see --help")


def search(found: Namespace) -> int:
    """List models of this machine, the catalogue and the Hub by a part of their name, and mark those that fit."""
    from wizard_tui.models.search import search_here, search_hub

    try:
        refuse_token(found.text, "what is searched for")
    except Refusal as error:
        raise UsageError(str(error)) from None
    seen = search_here(found.text)
    try:
        here = {one.model_id for one in seen}
        seen += [one for one in search_hub(found.text) if one.model_id not in here]
    except Refusal as problem:
        sys.stderr.write(f"note: {_safe(without_secrets_in(str(problem)))}\n")
    box = _box(found.gpu, found.gpus)
    rows = [{**asdict(one), "fits": _fits(one, box)} for one in seen]
    if found.json:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return 0
    if not rows:
        hint = "try fewer letters, or give the whole id to `models show`"
        raise UsageError(f"no model has {found.text!r} in its name; {hint}")
    words = {True: "fits", False: "too large", None: ""}
    width = max(len(one.model_id) for one in seen)
    for one, row in zip(seen, rows, strict=True):
        sys.stdout.write(f"{_safe(one.model_id):<{width}}  {words[row['fits']]:<9}  {one.where}\n".rstrip() + "\n")
    return 0


def show(found: Namespace) -> int:
    """Say what is known of a model: shape, size, quantisation, licence, and what surrounds it."""
    from wizard_tui.models.load import load_model_metadata

    try:
        facts = _facts(load_model_metadata(found.model, found.revision))
    except (Refusal, OSError) as error:
        raise UsageError(str(error)) from None
    if found.json:
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
        return 0
    for name, value in facts.items():
        if value not in (None, [], ""):
            sys.stdout.write(f"{name.replace('_', ' '):<20} {_safe(_word(value))}\n")
    return 0


def _search_options(parser: Parser) -> None:
    parser.option("text", help="a part of a name, such as 'qwen3 32b'", heading="Arguments")
    parser.option(
        "--gpu",
        default="auto",
        metavar="TEXT",
        completer=completion.gpus,
        help="mark what fits this GPU [default: auto, those of this machine]",
    )
    parser.option("--gpus", type=_count, metavar="NUMBER", help="how many of them; all of this machine's by default")
    parser.option("--json", action="store_true", help="print JSON")


def _show_options(parser: Parser) -> None:
    parser.option(
        "model",
        completer=completion.models,
        help="Hub id, address, local directory or GGUF file",
        heading="Arguments",
    )
    parser.option("--revision", metavar="TEXT", help="branch, tag or commit")
    parser.option("--json", action="store_true", help="print JSON")


COMMAND = Command(
    "Plan",
    about,
    commands={
        "search": Command(
            "Commands", search, _search_options, ('vllm-wizard-tui models search "qwen3 32b" --gpu RTX-4090',)
        ),
        "show": Command("Commands", show, _show_options, ("vllm-wizard-tui models show Qwen/Qwen3-32B",)),
    },
)


def _count(word: str) -> int:
    from wizard_tui.schemas.inputs import MAX_GPUS
    from wizard_tui.schemas.numbers import parse_count

    count = parse_count(word)
    if not isinstance(count, int) or not 1 <= count <= MAX_GPUS:
        raise ArgumentTypeError(f"must be a number from 1 on, not {shown(word)}")
    return count


def _box(gpu: str, gpus: int | None) -> tuple[GPU, ...]:
    """The GPUs for which models are marked; without any, nothing is marked."""
    from pydantic import ValidationError

    from wizard_tui.resolver import resolve_gpus
    from wizard_tui.schemas.errors import one_sentence
    from wizard_tui.schemas.inputs import HardwareInput

    try:
        if gpu == "auto":
            from wizard_tui.hardware.detect import detect

            return detect().gpus[:gpus]
        return resolve_gpus(HardwareInput.model_validate({"gpu": gpu, "gpus": gpus or 1}))
    except ValidationError as error:
        raise UsageError(one_sentence(error)) from None
    except Refusal as error:
        raise UsageError(str(error)) from None


def _fits(found: Found, box: tuple[GPU, ...]) -> bool | None:
    """Whether a model of the catalogue fits the box; None where only reading the model would tell."""
    from wizard_tui.models import catalog
    from wizard_tui.models.load import metadata_from_catalog
    from wizard_tui.planning.decide import decide
    from wizard_tui.resolver import Facts
    from wizard_tui.schemas.inputs import PlanRequest

    entry = catalog.find(found.model_id)
    if entry is None or not box:
        return None
    request = PlanRequest.model_validate({"model": {"model": entry.id}})
    return decide(request, Facts(metadata_from_catalog(entry.id), box)).fits


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
