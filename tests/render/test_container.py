"""What a container is given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from tests.render.samples import a_config, names
from wizard_tui.render.container import inside, instance_name, is_offline, startup_seconds


@given(names)
def test_any_name_makes_a_label_of_dns(name: str) -> None:
    """RFC 1123, the rule for Kubernetes, Docker and systemd alike; with a suffix it stays below 63 characters."""
    made = instance_name(a_config(served_model_name=name))
    assert re.fullmatch(r"vllm(-[a-z0-9]+)*", made)
    assert len(made) <= 40


@pytest.mark.parametrize(
    ("model", "name"),
    [("Qwen/Qwen3-8B", "vllm-qwen3-8b"), ("/models/My Model/", "vllm-my-model"), ("模型", "vllm")],
)
def test_the_last_part_of_the_name_is_kept(model: str, name: str) -> None:
    assert instance_name(a_config(model=model)) == name


def test_the_hub_is_needed_for_a_tokenizer_or_a_draft_model_of_another_repository() -> None:
    local = {"model_is_local": True}
    assert is_offline(a_config(model="/m", deployment=local))
    assert not is_offline(a_config(model="/m", tokenizer="org/other", deployment=local))
    assert not is_offline(a_config(model="/m", speculative_config={"model": "org/draft"}, deployment=local))
    assert not is_offline(a_config())


def test_a_tokenizer_that_is_the_model_moves_with_it() -> None:
    seen = inside(a_config(model="/m", tokenizer="/m", deployment={"model_is_local": True}))
    assert seen.tokenizer == seen.model == "/model"


def test_a_local_model_needs_no_time_for_a_download() -> None:
    size = {"download_bytes": 100_000_000_000}
    local = a_config(model="/m", deployment={"model_is_local": True, **size})
    assert startup_seconds(a_config(deployment=size)) == startup_seconds(local) + 2000
