"""The built-in models: every line reads, its numbers agree with what its makers state, and names mean one model."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from tools import refresh_catalog
from wizard_tui.models import catalog
from wizard_tui.models.catalog import Entry
from wizard_tui.models.load import metadata_from_catalog

ENTRIES = catalog.entries()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_a_line_reads_as_a_model(entry: Entry) -> None:
    metadata = metadata_from_catalog(entry.id)
    assert metadata.model_id == entry.id
    assert metadata.source == "catalogue"
    assert metadata.architecture in entry.config["architectures"]
    assert metadata.num_params >= metadata.active_params > 0
    assert metadata.num_attention_heads % metadata.num_key_value_heads == 0
    assert metadata.max_position_embeddings >= 512
    # an address, or a file of a published package
    assert re.match(r"https://|[a-z-]+ [0-9.]+ \([^)]+\)$", entry.source)


# the Hub's total holds draft layers, which vLLM does not load, also where the config does not say that there are any
DRAFTS = {"num_nextn_predict_layers", "mtp_num_hidden_layers"}
DRAFTED = {"qwen3_next", "qwen3_5", "qwen3_5_moe", "glm4_moe", "glm_moe_dsa"}


def has_drafts(entry: Entry) -> bool:
    text = entry.config.get("text_config", entry.config)
    return bool(DRAFTS & text.keys()) or entry.config.get("model_type") in DRAFTED


@pytest.mark.parametrize(
    "entry",
    [entry for entry in ENTRIES if entry.params and not has_drafts(entry)],
    ids=lambda entry: entry.id,
)
def test_the_config_holds_as_many_parameters_as_its_makers_state(entry: Entry) -> None:
    # packed checkpoints state packed numbers
    quantized = "quantization_config" in entry.config
    assert metadata_from_catalog(entry.id).num_params == pytest.approx(entry.params, rel=1 if quantized else 0.01)


def test_a_stated_size_in_the_name_is_the_size() -> None:
    # Llama-3.1-8B holds 8.03 billion: https://huggingface.co/meta-llama/Llama-3.1-8B
    sizes = {"meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248, "Qwen/Qwen2.5-7B-Instruct": 7_615_616_512}
    for model, params in sizes.items():
        assert metadata_from_catalog(model).num_params == pytest.approx(params, rel=1e-4)


def test_every_name_finds_its_own_line() -> None:
    for entry in ENTRIES:
        for name in (entry.id, *entry.aliases):
            assert catalog.find(name) == entry
            assert catalog.find(f" {name.upper()} ") == entry


def test_a_name_without_its_organisation_means_one_model() -> None:
    for entry in ENTRIES:
        assert catalog.find(entry.id.partition("/")[2]) == entry


def test_no_name_comes_twice() -> None:
    names = Counter(name.lower() for entry in ENTRIES for name in (entry.id, *entry.aliases))
    assert [name for name, times in names.items() if times > 1] == []
    assert all(name.count("/") == 1 for name in names)


@pytest.mark.parametrize("part", ["", "Llama", "Qwen/", "Qwen2.5-7B-Instruc", "7B", "Qwen/Qwen2.5-7B-Instruct/main"])
def test_a_part_of_a_name_finds_nothing(part: str) -> None:
    assert catalog.find(part) is None


def test_a_name_that_is_nearly_right_is_guessed() -> None:
    assert "Qwen/Qwen2.5-7B-Instruct" in catalog.near_names("Qwen/Qwen2.5-7B-Instuct")
    assert "meta-llama/Llama-3.1-8B-Instruct" in catalog.near_names("llama-3.1-8b-instrct")


@pytest.mark.parametrize(
    "model",
    [
        "meta-llama/Llama-3.1-8B-Instruct",
        "meta-llama/Llama-3.3-70B-Instruct",
        "mistralai/Mistral-7B-Instruct-v0.3",
        "google/gemma-3-27b-it",
        "openai/gpt-oss-20b",
        "Qwen/Qwen2.5-7B-Instruct",
        "Qwen/Qwen3-8B",
        "deepseek-ai/DeepSeek-R1",
        "microsoft/phi-4",
    ],
)
def test_what_is_served_most_is_there(model: str) -> None:
    assert model in catalog.ids()


def test_the_tool_finds_nothing_wrong() -> None:
    assert refresh_catalog.check() == []


def test_the_tool_finds_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = catalog.PATH.read_text(encoding="utf-8").splitlines()[:3]
    broken = json.loads(lines[1])
    del broken["config"]["num_hidden_layers"]
    table = tmp_path / "models.jsonl"
    table.write_text("\n".join([lines[2], json.dumps(broken), lines[0]]) + "\n", encoding="utf-8")
    text = table.read_text(encoding="utf-8")
    monkeypatch.setattr(catalog, "_text", lambda: text)
    monkeypatch.setattr(refresh_catalog, "PATH", table)
    problems = refresh_catalog.check()
    assert "the ids are not in order, or one comes twice" in problems
    assert any("num_hidden_layers" in problem for problem in problems)


def test_a_model_is_added_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ENTRIES[0]
    (tmp_path / "config.json").write_text(json.dumps(entry.config | {"transformers_version": "4.0"}), encoding="utf-8")
    written: list[Entry] = []
    monkeypatch.setattr(refresh_catalog, "write", written.extend)
    address = "https://huggingface.co/an/Other/blob/main/config.json"
    arguments = ["add", "an/Other", "--config", str(tmp_path), "--source", address, "--set", 'license="mit"']
    assert refresh_catalog.main(arguments) == 0
    added = next(row for row in written if row.id == "an/Other")
    assert (added.source, added.license) == (address, "mit")
    assert "transformers_version" not in refresh_catalog.row(added)["config"]
    assert len(written) == len(ENTRIES) + 1
