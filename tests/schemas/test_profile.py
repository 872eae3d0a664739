"""Profiles: what is saved is what is read, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wizard_tui.errors import Refusal
from wizard_tui.render.profile import render_profile
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.profile import OutputsInput, load_profile, parse_profile

# what YAML can hold: no control characters, no surrogates
names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(str.strip)


@given(
    st.fixed_dictionaries(
        {"model": names},
        optional={
            "revision": names.filter(lambda text: text.strip().lower() not in ("none", "auto")),
            "trust_remote_code": st.booleans(),
            "max_model_len": st.integers(1, 1 << 20),
            "params_b": st.floats(0.1, 1000),
        },
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "gpu": names,
            "gpus": st.integers(1, 64),
            "indices": st.lists(st.integers(0, 7), min_size=1, unique=True).map(tuple),
            "vram_gb": st.floats(1, 300),
        },
    ),
    st.fixed_dictionaries({}, optional={"concurrency": st.integers(1, 1000), "streaming": st.booleans()}),
    st.fixed_dictionaries(
        {},
        optional={
            "served_model_name": names.filter(lambda text: text.strip().lower() not in ("none", "auto")),
            "gpu_memory_utilization": st.floats(0.01, 1),
            "port": st.integers(1, 65535),
        },
    ),
)
def test_a_request_comes_back_as_it_was(
    model: dict[str, Any], hardware: dict[str, Any], workload: dict[str, Any], policy: dict[str, Any]
) -> None:
    sections = {"model": model, "hardware": hardware, "workload": workload, "policy": policy}
    request = PlanRequest.model_validate({name: fields for name, fields in sections.items() if fields})
    outputs = OutputsInput(emit=("serve", "compose"))
    profile = parse_profile(render_profile(request, outputs))
    assert profile.request() == request
    assert profile.outputs.emit == ("serve", "compose")
    assert render_profile(profile.request(), profile.outputs) == render_profile(request, outputs)


def test_only_what_was_set_is_written() -> None:
    request = PlanRequest.model_validate({"model": {"model": "org/name"}, "hardware": {"gpus": 2}})
    assert render_profile(request) == "profile_version: 1\nmodel:\n  model: org/name\nhardware:\n  gpus: 2\n"


def test_profiles_of_the_predecessor_are_read() -> None:
    profile = parse_profile(
        """
profile_version: 1
model: {id: org/name, dtype: bf16, quantization: none, kv_cache_dtype: fp8_e4m3fn, max_model_len: null}
hardware: {gpu_name: auto, gpus: 2, vram_gb: null, interconnect: nvlink, tp_size: 2}
workload: {prompt_tokens: 512, gen_tokens: 256, concurrency: 4, streaming: true, mode: latency}
policy: {gpu_memory_utilization: 0.9, overhead_gb: null, fragmentation_factor: 1.15, headroom_gb: 1.0}
outputs: {emit: [serve, profile]}
"""
    )
    request = profile.request()
    assert request.model.model == "org/name"
    assert request.model.dtype == "bfloat16"
    assert request.model.quantization is None
    assert request.hardware.tensor_parallel_size == 2
    assert request.workload.batching_mode == "latency"
    assert profile.outputs.emit == ("serve", "profile")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no sections"),
        ("- a", "holds no sections"),
        ("model: {model: x}", "has no profile_version"),
        ("profile_version: 2\nmodel: {model: x}", "has profile_version 2; this program reads version 1"),
        ("profile_version: true\nmodel: {model: x}", "has profile_version True"),
        ("profile_version: 1\nmodel: {modle: x}", "model.modle is not a known field"),
        ("profile_version: 1\nmodle: {model: x}", "modle is not a known field"),
        ("profile_version: 1\nmodel: x", "model must be a section"),
        ("profile_version: 1\nmodel: {model: x}\nhardware: {gpus: 0}", "hardware.gpus must be 1 or more, not 0"),
        ("profile_version: 1\nmodel: {model: x, model: y}", "model comes twice"),
        ("profile_version: 1\nmodel: {model: 'x}", "is not valid YAML"),
        ("profile_version: 1\nmodel: !!python/object:os.system {model: x}", "is not valid YAML"),
        ("profile_version: 1\n? [a]\n: b", "is not valid YAML"),
        ("&a [*a]", "an alias is not read here, write it out in line 1"),
        ("profile_version: 1\nmodel: {model: x}\nx: &x {a: 1}\ny: {<<: *x}", "an alias is not read here"),
        ("profile_version: 1\nmodel: " + "[" * 20, "it is nested deeper than a profile is in line 2"),
        ("profile_version: 1\nmodel: {" + ", ".join(f"k{n}: 1" for n in range(99)) + "}", "; and 95 more"),
        (f"profile_version: 1\nmodel: {{model: x, {'k' * 900}: 1}}", "model." + "k" * 74 + " is not a known field"),
    ],
)
def test_what_is_wrong_is_one_sentence(text: str, said: str) -> None:
    """Also what would grow: aliases that double one another, depth, and thousands of unknown keys."""
    with pytest.raises(ValueError, match="the profile") as caught:
        parse_profile(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)


def test_a_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a regular file"):
        load_profile(tmp_path)
    with pytest.raises(ValueError, match="cannot be read"):
        load_profile(tmp_path / "missing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00profile")
    with pytest.raises(ValueError, match="UTF-8"):
        load_profile(tmp_path / "binary.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ValueError, match="larger than"):
        load_profile(tmp_path / "huge.yaml")


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=300) | st.lists(st.sampled_from(
    ["profile_version: 1", "model:", "  model: x", "hardware: {gpus: 2}", "  - a", "&a", "*a", "!!binary", "? ", "|",
     "---", "...", "%YAML 9", "\t", "'", "{", "]", "!!python/object:os.system", "2001-99-99", "x: .nan"])
).map("\n".join))  # fmt: skip
def test_any_text_is_a_profile_or_one_sentence(text: str) -> None:
    try:
        profile = parse_profile(text)
    except Refusal as error:
        assert str(error).startswith("the profile")
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
    else:
        assert profile.request().model.model


def test_yaml_makes_no_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is not valid YAML"):
        parse_profile("!!python/object/apply:os.system ['touch owned']")
    assert list(tmp_path.iterdir()) == []
