"""Flags by version, and how a value is written with them; facts of vLLM's own parsers."""

from __future__ import annotations

from typing import Any

import pytest

from wizard_tui.engine import flags
from wizard_tui.engine.flags import flag_arguments, flag_named, flags_of


@pytest.mark.parametrize(
    ("field", "value", "version", "words"),
    [
        ("max_model_len", 8192, "0.33.0", ("--max-model-len", "8192")),
        ("gpu_memory_utilization", 0.9, "0.33.0", ("--gpu-memory-utilization", "0.9")),
        ("enforce_eager", True, "0.33.0", ("--enforce-eager",)),
        # argparse.BooleanOptionalAction made the negative form until 0.33 gave some a name of their own
        ("enable_prefix_caching", False, "0.31.0", ("--no-enable-prefix-caching",)),
        ("served_model_name", ("a", "b"), "0.33.0", ("--served-model-name", "a", "b")),
        ("speculative_config", {"method": "mtp"}, "0.33.0", ("--speculative-config", '{"method":"mtp"}')),
    ],
)
def test_values_as_words(field: str, value: Any, version: str, words: tuple[str, ...]) -> None:
    assert tuple(flag_arguments(field, value, version)) == words


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_model_len", "long"), ("max_model_len", 1.5), ("max_model_len", True), ("enforce_eager", "yes"),
     ("dtype", "int3"), ("served_model_name", "a\0b")],
)  # fmt: skip
def test_values_that_a_flag_cannot_have(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match="--"):
        list(flag_arguments(field, value, "0.33.0"))


def test_a_flag_is_there_from_its_version_on() -> None:
    assert "performance_mode" in flags_of("0.33.0")
    assert "performance_mode" not in flags_of("0.12.0")
    with pytest.raises(ValueError, match=r"^vLLM 0\.12\.0 has no --performance-mode; it needs 0\.18\.0 or newer$"):
        flag_named("performance_mode", "0.12.0")


def test_a_default_holds_from_its_version_on() -> None:
    old, new = (flags_of(version)["gpu_memory_utilization"].default for version in ("0.19.1", "0.20.0"))
    assert (old, new) == (0.9, 0.92)


def test_choices_hold_from_their_version_on(monkeypatch: pytest.MonkeyPatch) -> None:
    change = {"since": "0.30.0", "choices": ["a", "b", "c"]}
    row = {"kind": "str", "choices": ["a", "b"], "default": "a", "changes": [change]}
    monkeypatch.setattr(flags, "_data", lambda: {"enable_disable_pairs_since": "0.33.0", "flags": {"--letter": row}})
    old, new = (flags._flags_of.__wrapped__(version)["letter"] for version in ((0, 29, 0), (0, 30, 0)))
    assert (old.choices, old.default) == (("a", "b"), "a")
    assert (new.choices, new.default) == (("a", "b", "c"), "a")


@pytest.mark.parametrize("version", ["0.33", "v0.33.0", "0.33.0rc1", "0.33+cu129", "0.33.0.dev16+g7a1eb8ac2"])
def test_builds_of_a_release_have_its_flags(version: str) -> None:
    assert flags_of(version) is flags_of("0.33.0")


def test_a_removed_flag_names_its_successor() -> None:
    with pytest.raises(ValueError, match=r"^vLLM 0\.33\.0 has no --swap-space .*; use --kv-offloading-size$"):
        flag_named("swap_space", "0.33.0")
    with pytest.raises(ValueError, match="did you mean --max-model-len"):
        flag_named("max_model_lenn", "0.33.0")


def test_a_word_that_is_no_version_is_refused() -> None:
    with pytest.raises(ValueError, match="is no vLLM version"):
        flags_of("newest")
