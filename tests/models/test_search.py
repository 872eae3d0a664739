"""Finding models by a part of their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models.hub_server import Hub, Repo
from wizard_tui.models.search import Found, cached_ids, search_here, search_hub


def test_every_word_has_to_be_there_and_beginnings_come_first(hub: Hub) -> None:
    names = [found.model_id for found in search_here("qwen3 32b")]
    assert names[0] == "Qwen/Qwen3-32B"
    assert {"Qwen/Qwen3-32B-AWQ", "Qwen/Qwen3-32B-FP8"} <= set(names)
    assert all("qwen3" in name.lower() and "32b" in name.lower() for name in names)
    assert search_here("no such model anywhere") == []
    assert search_here("   ") == []
    assert hub.asked == []


def test_what_is_on_this_machine_is_said(hub: Hub, tmp_path: Path) -> None:
    for name in ("models--Qwen--Qwen3-32B", "models--my--qwen3-32b-tuned"):
        folder = tmp_path / "cache" / name / "snapshots" / "0123"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (tmp_path / "cache" / "models--half--qwen3-32b" / "blobs").mkdir(parents=True)
    assert cached_ids() == ["Qwen/Qwen3-32B", "my/qwen3-32b-tuned"]
    found = search_here("qwen3-32b")
    assert found[0] == Found("Qwen/Qwen3-32B", "on this machine")
    assert Found("my/qwen3-32b-tuned", "on this machine") in found
    assert Found("Qwen/Qwen3-32B-AWQ", "known") in found
    assert len([one for one in found if one.model_id == "Qwen/Qwen3-32B"]) == 1


def test_the_hub_lists_what_vllm_serves(hub: Hub) -> None:
    hub.repos["org/speaks"] = Repo()
    hub.repos["org/paints"] = Repo(pipeline_tag="text-to-image")
    assert search_hub("org") == [Found("org/speaks", "on the Hub")]


def test_a_hub_that_cuts_the_line_is_one_sentence(hub: Hub) -> None:
    hub.cuts_connections = True
    with pytest.raises(ValueError, match=r"the Hub cannot be reached"):
        search_hub("qwen")
