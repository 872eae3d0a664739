"""What a container is given."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from tests.render.samples import a_config, names
from wizard_tui.render.container import inside, instance_name, is_offline, mounts, startup_seconds


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


LOCAL = {"model_is_local": True}


def test_the_hub_is_needed_for_any_checkpoint_that_is_not_local() -> None:
    assert not is_offline(a_config())
    assert is_offline(a_config(model="/m", deployment=LOCAL))
    assert is_offline(a_config(model="/m", tokenizer="/m", deployment=LOCAL))
    assert is_offline(a_config(model="/m", speculative_config={"method": "ngram"}, deployment=LOCAL))
    assert not is_offline(a_config(model="/m", tokenizer="org/other", deployment=LOCAL))
    assert not is_offline(a_config(model="/m", speculative_config={"model": "org/draft"}, deployment=LOCAL))


def test_every_local_checkpoint_is_mounted_once_and_found_inside() -> None:
    snapshot = "/hf/models--org--draft/snapshots/abc"
    config = a_config(
        model="/m",
        tokenizer="/t",
        speculative_config={"model": snapshot, "num_speculative_tokens": 2},
        deployment=LOCAL,
    )
    assert {mount.source: mount.target for mount in mounts(config)} == {
        "/m": "/model",
        "/t": "/tokenizer",
        "/hf/models--org--draft": "/draft-model",
    }
    seen = inside(config)
    assert (seen.model, seen.tokenizer) == ("/model", "/tokenizer")
    assert seen.speculative_config == {"model": "/draft-model/snapshots/abc", "num_speculative_tokens": 2}
    same = a_config(model="/m", tokenizer="/m", deployment=LOCAL)
    assert len(mounts(same)) == 1
    assert inside(same).tokenizer == inside(same).model == "/model"


def test_the_template_of_the_image_is_used_unless_another_one_is_named() -> None:
    facts = {"chat_template_in_image": "/vllm-workspace/examples/t.jinja"}
    assert inside(a_config(deployment=facts)).chat_template == "/vllm-workspace/examples/t.jinja"
    assert not mounts(a_config(deployment=facts))
    assert inside(a_config(chat_template="/own.jinja", deployment=facts)).chat_template == "/chat-template.jinja"
    assert inside(a_config()).chat_template is None


def test_a_local_model_needs_no_time_for_a_download() -> None:
    size = {"download_bytes": 100_000_000_000}
    local = a_config(model="/m", deployment={"model_is_local": True, **size})
    assert startup_seconds(a_config(deployment=size)) == startup_seconds(local) + 2000
