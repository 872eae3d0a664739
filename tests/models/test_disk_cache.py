"""What is kept of Hub models between two runs."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.models.hub_server import SHA, Hub, Repo, safetensors
from tests.planning.conftest import LLAMA_8B
from wizard_tui.models import disk_cache
from wizard_tui.models.checkpoint import loaded_bytes
from wizard_tui.models.load import load_model_metadata

TENSORS = {
    "model.embed_tokens.weight": ("BF16", [1000, 64]),
    "lm_head.weight": ("BF16", [1000, 64]),
    "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", [64, 64]),
    "model.layers.0.mlp.up_proj.weight_scale": ("F32", [64, 1]),
    "model.layers.32.mlp.up_proj.weight": ("BF16", [64, 64]),
}


@pytest.fixture
def folder(hub: Hub, tmp_path: Path) -> Path:
    """The directory of the cache; the Hub has one model, and its own cache is emptied between two questions."""
    hub.repos["org/model"] = Repo(
        {"config.json": json.dumps(LLAMA_8B).encode(), "model.safetensors": safetensors(TENSORS)}, gated="manual"
    )
    return tmp_path / "xdg" / "vllm-wizard-tui" / "models"


def forget_the_hubs_own_cache(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)


def test_a_second_plan_needs_no_network(hub: Hub, folder: Path, tmp_path: Path) -> None:
    first = load_model_metadata("org/model")
    forget_the_hubs_own_cache(tmp_path)
    hub.asked.clear()
    second = load_model_metadata("org/model")
    assert hub.asked == []
    assert (second.revision, second.source, second.model_id) == (SHA, "tensor headers", "org/model")
    assert (second.config, second.repository) == (first.config, first.repository)
    for each in (2, 4):
        assert loaded_bytes(second, each) == loaded_bytes(first, each)


def test_a_revision_is_kept_by_itself(hub: Hub, folder: Path, tmp_path: Path) -> None:
    load_model_metadata("org/model")
    forget_the_hubs_own_cache(tmp_path)
    hub.asked.clear()
    load_model_metadata("org/model", SHA)
    assert hub.asked


def test_an_old_entry_is_read_again_unless_the_hub_is_away(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_model_metadata("org/model")
    forget_the_hubs_own_cache(tmp_path)
    much_later = time.time() + disk_cache.FRESH_S + 60
    monkeypatch.setattr(disk_cache.time, "time", lambda: much_later)
    hub.asked.clear()
    hub.cuts_connections = True
    assert load_model_metadata("org/model").num_hidden_layers == 32
    assert hub.asked


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": 1}', b'{"format": 99}', b"[" * 100_000]
)
def test_what_cannot_be_read_is_as_good_as_nothing(hub: Hub, folder: Path, tmp_path: Path, content: bytes) -> None:
    load_model_metadata("org/model")
    forget_the_hubs_own_cache(tmp_path)
    (kept,) = folder.glob("*.json")
    kept.write_bytes(content)
    hub.asked.clear()
    assert load_model_metadata("org/model").num_hidden_layers == 32
    assert hub.asked


def test_a_directory_that_takes_no_files_costs_nothing(hub: Hub, folder: Path, tmp_path: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("a file in the place of the directory")
    assert load_model_metadata("org/model").num_hidden_layers == 32


def test_no_token_is_kept(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_planted_secret_0123456789")
    load_model_metadata("org/model")
    assert all(b"hf_planted" not in path.read_bytes() for path in folder.parent.rglob("*") if path.is_file())


def test_the_oldest_are_forgotten(hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_cache, "MOST_FILES", 3)
    metadata = load_model_metadata("org/model")
    for number in range(5):
        disk_cache.save(f"org/other-{number}", None, metadata)
        for path in folder.glob("*.json"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    assert len(list(folder.glob("*.json"))) == 3
    assert disk_cache.load("org/other-4", None) is not None
    assert disk_cache.load("org/model", None) is None


@pytest.mark.parametrize("when", [10**400, -(10**400), float("inf"), float("nan"), "x", None, []])
def test_a_time_that_cannot_be_is_as_good_as_none(hub: Hub, folder: Path, when: object) -> None:
    load_model_metadata("org/model")
    (kept,) = folder.glob("*.json")
    kept.write_text(json.dumps(json.loads(kept.read_text()) | {"saved_at": when}))
    assert disk_cache.load("org/model", None) is None
