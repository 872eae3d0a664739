"""Headers of safetensors files: what the format allows, what is broken, and bombs."""

from __future__ import annotations

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.hub_server import safetensors
from tests.planning.conftest import LLAMA_8B
from wizard_tui.errors import Refusal
from wizard_tui.models import tensor_headers
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.local import INDEX
from wizard_tui.models.tensor_headers import header_length, parse_header

GOOD = {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}


def file_of(header: object, length: int | None = None) -> bytes:
    data = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(data) if length is None else length) + data


def test_what_the_format_allows() -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "packed": {"dtype": "F4", "shape": [3, 4], "data_offsets": [8, 14]},
        "a": GOOD,
        "nothing": {"dtype": "F32", "shape": [0, 7], "data_offsets": [8, 8]},
        "one": {"dtype": "I64", "shape": [], "data_offsets": [14, 22]},
        "of a later version": {"dtype": "F2_E1M0", "shape": [9], "data_offsets": [22, 30]},
    }
    found = parse_header(json.dumps(header).encode(), "x")
    assert found["packed"] == ("F4", (3, 4))
    assert found["one"] == ("I64", ())
    assert len(found) == 5


@pytest.mark.parametrize(
    "entry",
    [
        GOOD | {"data_offsets": [0, 9]},
        GOOD | {"data_offsets": [8, 0]},
        GOOD | {"data_offsets": [-8, 0]},
        GOOD | {"data_offsets": [0]},
        GOOD | {"data_offsets": "08"},
        GOOD | {"shape": [-4]},
        GOOD | {"shape": [4.0]},
        GOOD | {"shape": [True, 4]},
        GOOD | {"shape": ["4"]},
        GOOD | {"shape": [1] * 99},
        GOOD | {"shape": [1 << 70], "data_offsets": [0, 1 << 71]},
        GOOD | {"dtype": "NEW", "shape": [1 << 62] * 16},
        GOOD | {"shape": 4},
        GOOD | {"dtype": 16},
        GOOD | {"dtype": None},
        {"dtype": "BF16", "shape": [4]},
        [],
        "x",
        None,
    ],
)
def test_what_is_broken(entry: object) -> None:
    with pytest.raises(ValueError, match="x has a broken safetensors header; download it again"):
        parse_header(json.dumps({"a": entry}).encode(), "x")


def test_ranges_that_overlap_are_broken() -> None:
    with pytest.raises(ValueError, match="broken"):
        parse_header(json.dumps({"a": GOOD, "b": GOOD | {"data_offsets": [4, 12]}}).encode(), "x")


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 1 << 63, (1 << 64) - 1])
def test_a_length_that_no_header_has(length: int) -> None:
    with pytest.raises(ValueError, match=f"would have {length:,} bytes"):
        header_length(struct.pack("<Q", length), "x")


def directory(tmp_path: Path, **files: object) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    for name, content in files.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (tmp_path / name.replace("__", ".")).write_bytes(data)
    return str(tmp_path)


@pytest.mark.parametrize(
    "bomb",
    [
        file_of(b"[" * 1_000_000),
        file_of(b'{"a":' * 200_000),
        file_of({"a": GOOD | {"shape": [1] * 500_000}}),
        file_of(b'{"a":{"dtype":"BF16","shape":[' + b"9" * 100_000 + b'],"data_offsets":[0,8]}}'),
        file_of(b"{}", 99_999_999),
        file_of(b"{}", 50_000),
    ],
    ids=["lists", "objects", "dimensions", "digits", "long and cut off", "cut off"],
)
def test_a_bomb_takes_little_memory(tmp_path: Path, bomb: bytes) -> None:
    path = directory(tmp_path, model__safetensors=bomb)
    tracemalloc.start()
    try:
        # headers longer than those of any model are left aside, others are broken
        if struct.unpack("<Q", bomb[:8])[0] > tensor_headers.MODEL_LIMIT_BYTES:
            assert load_model_metadata(path).source == "config"
        else:
            with pytest.raises(ValueError, match=r"model\.safetensors (has a broken|is cut off)"):
                load_model_metadata(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 << 20


def test_many_headers_share_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"m{number}__safetensors": safetensors({f"{number}.weight": ("BF16", [4])}) for number in range(5)}
    path = directory(tmp_path, **files)
    assert len(load_model_metadata(path).headers) == 5
    monkeypatch.setattr(tensor_headers, "MODEL_LIMIT_BYTES", 4 * len(files["m0__safetensors"]))
    assert load_model_metadata(path).source == "config"


@pytest.mark.parametrize(
    "names",
    [["../../etc/passwd"], ["/etc/passwd.safetensors"], [".."], ["x\0.safetensors"], ["\ud800.safetensors"],
     ["x" * 999 + ".safetensors"], [{"a": 1}], [None], ["model.safetensors", "pytorch_model.bin"]],
)  # fmt: skip
def test_an_index_that_leads_elsewhere_is_refused(tmp_path: Path, names: list[Any]) -> None:
    index = {"weight_map": {str(number): name for number, name in enumerate(names)}}
    path = directory(tmp_path, model__safetensors=file_of({"a": GOOD}), model__safetensors__index__json=index)
    with pytest.raises(ValueError, match=f"{INDEX} names files that are no safetensors files beside it"):
        load_model_metadata(path)


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {"a": "gone.safetensors"}}])
def test_an_index_that_tells_nothing_leaves_the_config(tmp_path: Path, index: object) -> None:
    path = directory(tmp_path, model__safetensors=file_of({"a": GOOD}), model__safetensors__index__json=index)
    assert load_model_metadata(path).source == "config"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 65), 1 << 65) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=150)
@given(st.dictionaries(st.text(max_size=5), st.just(GOOD) | st.fixed_dictionaries(
    {}, optional={"dtype": st.sampled_from(["BF16", "F4", "x"]) | VALUES, "shape": st.lists(st.integers(0, 4)) | VALUES,
                  "data_offsets": st.tuples(st.integers(0, 9), st.integers(0, 99)) | VALUES}), max_size=3))  # fmt: skip
def test_any_header_is_read_or_broken(header: dict[str, Any]) -> None:
    try:
        found = parse_header(json.dumps(header).encode(), "x")
    except Refusal as error:
        assert str(error) == "x has a broken safetensors header; download it again"
        return
    for kind, shape in found.values():
        assert isinstance(kind, str)
        assert all(type(size) is int and 0 <= size < 1 << 63 for size in shape)
