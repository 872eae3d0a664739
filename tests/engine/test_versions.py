"""Versions and what differs between them. What the newest does is stated at the end, and changes with it."""

from __future__ import annotations

import pytest

from wizard_tui.engine import versions
from wizard_tui.engine.flags import flags_of
from wizard_tui.engine.versions import NEWEST, image_tag, rules_for, version_of_image
from wizard_tui.errors import Refusal
from wizard_tui.tables import read_table


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.29.0", "0.29.0"),
        ("vllm/vllm-openai:0.29.0-cu130", "0.29.0-cu130"),
        ("registry.local:5000/team/vllm:v0.30.1@sha256:0123", "0.30.1"),
        ("vllm/vllm-openai:latest", None),
        ("registry.local:5000/vllm", None),
        ("vllm/vllm-openai", None),
        (None, None),
    ],
)
def test_the_version_in_an_image_tag(image: str | None, version: str | None) -> None:
    assert version_of_image(image) == version


def test_each_change_holds_from_its_version_on() -> None:
    assert not rules_for("0.19.9").graphs_in_budget
    assert rules_for("0.20.0").graphs_in_budget
    assert rules_for("0.20.1rc1.dev16+g7a1eb8ac2").graphs_in_budget
    assert not rules_for("0.28.1").model_runner_v2
    assert rules_for("0.29").model_runner_v2
    assert "newer than" in rules_for("0.99.0").note


@pytest.mark.parametrize(
    ("version", "engine"),
    [("0.6.4", "v0"), ("0.7.3", "v0"), ("0.8.0", "early_v1"), ("v0.11.2", "early_v1"), ("0.12.0", "v1")],
)
def test_engine_generations(version: str, engine: str) -> None:
    assert rules_for(version).engine == engine


def test_a_change_of_one_cards_limits_leaves_those_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"from_70_gib": {"max_num_batched_tokens": 16384, "max_num_seqs": 512}}
    table = versions._history()
    changes = [*table["change"], {"since": "0.32.0", "batch_limits": limits}]
    monkeypatch.setattr(versions, "_history", lambda: table | {"change": changes})
    before, after = (versions.rules_for.__wrapped__(version).batch_limits for version in ("0.31.9", "0.32.0"))
    assert before.from_70_gib == (8192, 1024)
    assert after == before._replace(from_70_gib=(16384, 512))


@pytest.mark.parametrize("version", read_table("wizard_tui.engine", "flags.json")["read"])
def test_the_utilisation_is_the_default_of_its_flag(version: str) -> None:
    assert flags_of(version)["gpu_memory_utilization"].default == rules_for(version).default_gpu_memory_utilization


@pytest.mark.parametrize(
    ("version", "cuda"),
    [
        ("0.6.3", (12, 1)),
        ("0.8.5", (12, 4)),
        ("0.11.0", (12, 8)),
        ("0.19.1", (12, 9)),
        ("0.33.0", (13, 0)),
        ("0.33.0+cu129", (12, 9)),
        ("0.29.0-cu130", (13, 0)),
        ("0.20.1rc1.dev16+g7a1eb8ac2.cu129", (12, 9)),
        ("0.20.1rc1.dev16+g7a1eb8ac2", (13, 0)),
    ],
)
def test_the_cuda_of_a_build(version: str, cuda: tuple[int, int]) -> None:
    assert rules_for(version).built_with_cuda == cuda


@pytest.mark.parametrize(
    ("version", "tag"),
    [
        ("0.33.0", "v0.33.0"),
        ("v0.33.0", "v0.33.0"),
        (" 0.33.0\n", "v0.33.0"),
        ("0.33.0rc1", "v0.33.0rc1"),
        ("0.33.0+cu129", "v0.33.0"),
        ("0.33.1.dev7+g1234abc", "nightly"),
    ],
)
def test_a_version_as_it_is_written_gives_the_tag_of_its_image(version: str, tag: str) -> None:
    assert image_tag(rules_for(version).version) == tag


@pytest.mark.parametrize("text", ["latest", "0", "v", " ", "zero.one", "0.33.0 or so", "0.33\n0"])
def test_a_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="is no vLLM version"):
        rules_for(text)


def test_the_newest_is_what_is_taken_where_no_version_is_named() -> None:
    for nothing in (None, ""):
        assert rules_for(nothing) == rules_for("0.33.0")
    assert NEWEST == "0.33.0"
    assert rules_for(None).note == ""


def test_what_the_newest_assumes() -> None:
    newest = rules_for(None)
    assert newest.default_gpu_memory_utilization == 0.92
    assert newest.batch_limits == ((16384, 1024), (8192, 1024), (2048, 256))
    assert newest.built_with_cuda == (13, 0)
    assert newest.engine == "v1"
    assert newest.performance_modes
    assert newest.speculation
