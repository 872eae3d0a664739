"""Checks and refreshes the built-in models: wizard_tui/models/catalog/models.jsonl.

    python tools/refresh_catalog.py check                  every line reads, packs the same and is in order
    python tools/refresh_catalog.py refresh [ID ...]       read these again from the Hub (all: without an ID)
    python tools/refresh_catalog.py add ID --config FILE --source ADDRESS [--set KEY=VALUE ...]

A refresh needs the network, and a token for gated models; `git diff` then shows what changed on the Hub.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from wizard_tui.models.catalog import PATH, Entry, entries, ids
from wizard_tui.models.catalog.packing import packed
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.local import read_model_config

# keys that no plan depends on: training, sampling, tokens, provenance
_NOISE = re.compile(
    r"""_.*|.*(_token_ids?|_token_index|_dropout|_dropout_.*|_pdrop|_prob|_coef|_loss|_loss_.*|_alpha|_id2label|_class)
    |(id2label|label2id|auto_map|transformers_version|torchscript|pretraining_tp|pruned_heads|problem_type|prefix)
    |(use_cache|use_bfloat16|use_return_dict|return_dict.*|output_.*|is_decoder|is_encoder_decoder|finetuning_task)
    |(add_cross_attention|cross_attention_hidden_size|tie_encoder_decoder|task_specific_params|chunk_size_feed_forward)
    |(initializer_range|initializer_factor|.*_init_.*|.*_norm_eps|.*_norm_epsilon|norm_eps)
    |(max_length|min_length|do_sample|early_stopping|num_beams|num_beam_groups|temperature|top_p|typical_p|top_k)
    |(repetition_penalty|length_penalty|diversity_penalty|exponential_decay_length_penalty|no_repeat_ngram_size)
    |(encoder_no_repeat_ngram_size|bad_words_ids|num_return_sequences|suppress_tokens|begin_suppress_tokens)
    |(remove_invalid_values|tf_legacy_loss|seq_aux|aux_loss_alpha|router_jitter_noise|for_llm_compressor)
    |(cache_implementation|sep_token_id|generation_config|image_grid_pinpoints|observer|observer_kwargs)""",
    re.VERBOSE,
)


def compact(config: Any) -> Any:
    """The part of a config.json that a plan can depend on."""
    if isinstance(config, dict):
        kept = {key: compact(value) for key, value in config.items() if not _NOISE.fullmatch(key)}
        return {key: value for key, value in kept.items() if value != {}}
    return config


def row(entry: Entry) -> dict[str, Any]:
    """The line of an entry, as data."""
    facts = {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "source": entry.source,
        "license": entry.license,
        "gated": entry.gated,
        "pipeline_tag": entry.pipeline_tag,
        "checkpoint_bytes": entry.checkpoint_bytes,
        "params": entry.params,
        "config": packed(compact(entry.config)),
    }
    return {key: value for key, value in facts.items() if value not in (None, [], ())}


def write(table: list[Entry], path: Path = PATH) -> None:
    """Write the catalogue, ordered by id."""
    ordered = sorted(table, key=lambda entry: entry.id.lower())
    path.write_text("".join(json.dumps(row(entry)) + "\n" for entry in ordered), encoding="utf-8")


def check() -> list[str]:
    """What is wrong with the catalogue, a sentence each."""
    problems = []
    if list(ids()) != sorted(ids(), key=str.lower) or len(set(ids())) != len(ids()):
        problems.append("the ids are not in order, or one comes twice")
    for entry in entries():
        try:
            metadata_from_config(entry.config, model_id=entry.id, source="catalogue")
        except ValueError as error:
            problems.append(str(error))
    if PATH.read_text(encoding="utf-8") != "".join(json.dumps(row(entry)) + "\n" for entry in entries()):
        problems.append("a line is not as this tool writes it")
    return problems


def refreshed(entry: Entry) -> Entry:
    """The entry as the Hub has it now."""
    from wizard_tui.models.hub import fetch

    found = fetch(entry.id, with_headers=False)
    about = found.repository
    return Entry(
        id=entry.id,
        config=dict(found.config),
        source=f"https://huggingface.co/{entry.id}/blob/{found.revision}/config.json",
        aliases=entry.aliases,
        license=about.license,
        gated=about.gated,
        pipeline_tag=about.pipeline_tag,
        checkpoint_bytes=about.checkpoint_bytes,
        params=entry.params,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check")
    commands.add_parser("refresh").add_argument("ids", nargs="*")
    add = commands.add_parser("add")
    add.add_argument("id")
    add.add_argument("--config", type=Path, required=True, help="directory that has the model's config.json")
    add.add_argument("--source", required=True)
    add.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    chosen = parser.parse_args(arguments)
    if chosen.command == "check":
        problems = check()
        print("\n".join(problems) or f"{len(ids())} models, all well")
        return 1 if problems else 0
    table = {entry.id: entry for entry in entries()} if PATH.exists() else {}
    if chosen.command == "add":
        more = {key: json.loads(value) for key, _, value in (item.partition("=") for item in chosen.set)}
        table[chosen.id] = Entry(id=chosen.id, config=read_model_config(chosen.config), source=chosen.source, **more)
    else:
        for name in chosen.ids or list(table):
            try:
                table[name] = refreshed(table.get(name) or Entry(id=name, config={}, source=""))
            except ValueError as error:
                print(f"{name}: {error}", file=sys.stderr)
    write(list(table.values()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
