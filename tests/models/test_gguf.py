"""GGUF headers: what they say, and what becomes of broken and hostile ones."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.models.gguf_file import gguf, llama
from tests.models.hub_server import Hub, Repo
from tests.planning.memory.asked import weights_for
from wizard_tui.errors import Refusal
from wizard_tui.models.checkpoint import loaded_bytes
from wizard_tui.models.gguf import element_bytes, read_header
from wizard_tui.models.load import load_model_metadata

VALID = llama()


def test_the_shape_of_a_model_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "small-Q4_K_M.gguf"
    path.write_bytes(VALID)
    found = load_model_metadata(str(path))
    assert (found.num_hidden_layers, found.hidden_size, found.intermediate_size) == (2, 256, 512)
    assert (found.num_attention_heads, found.num_key_value_heads, found.vocab_size) == (4, 2, 320)
    assert (found.max_position_embeddings, found.quantization, found.source) == (4096, "gguf", "tensor headers")
    assert not found.tie_word_embeddings
    assert "--tokenizer" in found.warnings[0]


def test_the_weights_take_what_the_tensors_take(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(VALID)
    found = load_model_metadata(str(path))
    q4, q6 = 144 / 256, 210 / 256
    layer = (2 * 256 * 256 + 128 * 256 + 2 * 512 * 256) * q4 + (128 * 256 + 256 * 512) * q6 + 2 * 256 * 2
    whole = 2 * layer + 320 * 256 * (q4 + q6) + 256 * 2
    assert loaded_bytes(found, 2) == round(whole)
    planned = weights_for(found, tp=1)
    assert planned.bytes - planned.parts["buffers"] == pytest.approx(whole, rel=0.001)
    assert planned.warnings == ()


# bits a weight of files that are published: https://github.com/ggml-org/llama.cpp (tools/quantize/README.md)
@pytest.mark.parametrize(
    ("kind", "bits"), [("Q4_0", 4.5), ("Q8_0", 8.5), ("Q4_K", 4.5), ("Q6_K", 6.5625), ("IQ4_XS", 4.25)]
)
def test_bits_of_a_type(kind: str, bits: float) -> None:
    assert element_bytes()[kind] * 8 == bits


def test_experts_make_a_llama_a_mixtral(tmp_path: Path) -> None:
    keys = {
        "general.architecture": "llama",
        "llama.block_count": 1,
        "llama.embedding_length": 64,
        "llama.feed_forward_length": 128,
        "llama.attention.head_count": 4,
        "llama.expert_count": 8,
        "llama.expert_used_count": 2,
        "llama.vocab_size": 100,
        "llama.context_length": 512,
    }
    path = tmp_path / "moe.gguf"
    path.write_bytes(gguf(keys, {"token_embd.weight": ("F16", (100, 64))}))
    found = load_model_metadata(str(path))
    assert (found.model_type, found.num_experts, found.num_experts_per_tok) == ("mixtral", 8, 2)
    assert found.tie_word_embeddings


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is cut off within its header"),
        (b"PK\x03\x04" + b"\0" * 64, "is no GGUF file"),
        (struct.pack("<4sIQQ", b"GGUF", 1, 0, 0), "has GGUF version 1"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0), "claims 1,152,921,504,606,846,976 tensors"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 1 << 60), "keys, which no model has"),
        (struct.pack("<4sIQQQ", b"GGUF", 3, 0, 1, 1 << 40), "letters in a name"),
        (struct.pack("<4sIQQ", b"GGUF", 3, 0, 0), "does not say which architecture"),
        (VALID[: len(VALID) // 2], "is cut off within its header"),
        (gguf({}, {"a": ("F16", (1 << 62,) * 4)}), "more weights than any has"),
        (gguf({"general.architecture": "llama"}, {}), "lacks `num_hidden_layers`"),
    ],
)
def test_what_is_no_model_is_one_sentence(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=sentence) as caught:
        load_model_metadata(str(path))
    assert "\n" not in str(caught.value)


def test_lists_of_empty_words_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each word takes eight bytes of the file, and as long to read as any other."""
    monkeypatch.setattr("wizard_tui.models.gguf.MOST_ITEMS", 1000)
    keys = b"".join(
        struct.pack("<Q", 1) + name + struct.pack("<IIQ", 9, 8, 400) + bytes(8 * 400) for name in (b"a", b"b", b"c")
    )
    with pytest.raises(ValueError, match="has more than 1,000 words in lists, which no model has"):
        read_header(io.BytesIO(struct.pack("<4sIQQ", b"GGUF", 3, 0, 3) + keys), "words.gguf")


def test_a_header_is_read_no_further_than_any_model_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard_tui.models.gguf.HEADER_LIMIT_BYTES", 1 << 16)
    keys = b"".join(struct.pack("<Q", 1) + b"a" + struct.pack("<IQ", 8, 9000) + bytes(9000) for _ in range(20))
    file = io.BytesIO(struct.pack("<4sIQQ", b"GGUF", 3, 0, 20) + keys)
    with pytest.raises(ValueError, match="which no model has"):
        read_header(file, "long.gguf")
    assert file.tell() <= 1 << 16


def test_lists_in_lists_have_an_end() -> None:
    nested = struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<I", 9)
    with pytest.raises(ValueError, match="unknown type 9"):
        read_header(io.BytesIO(nested + struct.pack("<IQ", 9, 1) * 1000), "deep.gguf")


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    with pytest.raises(Refusal):
        load_model_metadata(str(pipe))


@given(place=st.integers(0, len(VALID) - 1), byte=st.integers(0, 255), cut=st.integers(1, len(VALID)))
def test_any_header_is_a_model_or_one_sentence(place: int, byte: int, cut: int) -> None:
    broken = bytearray(VALID)
    broken[place] = byte
    try:
        read_header(io.BytesIO(bytes(broken[:cut])), "any.gguf")
    except Refusal as error:
        assert "any.gguf" in str(error)


def test_a_file_of_the_hub_is_read_by_ranges(hub: Hub) -> None:
    hub.repos["org/model-GGUF"] = Repo({"small-Q4_K_M.gguf": VALID + b"\0" * (9 << 20)})
    found = load_model_metadata("org/model-GGUF/small-Q4_K_M.gguf")
    assert (found.num_hidden_layers, found.source) == (2, "tensor headers")
    asked = [span for method, path, span in hub.asked if path.endswith(".gguf")]
    assert asked == ["bytes=0-4194303"], "the header alone"


def test_a_repository_of_gguf_files_says_how_to_name_one(hub: Hub) -> None:
    hub.repos["org/model-GGUF"] = Repo({"small-Q4_K_M.gguf": VALID})
    with pytest.raises(ValueError, match=r"name one of them, such as org/model-GGUF/small-Q4_K_M\.gguf"):
        load_model_metadata("org/model-GGUF")


def test_a_file_that_is_not_there(hub: Hub) -> None:
    hub.repos["org/model-GGUF"] = Repo({"small-Q4_K_M.gguf": VALID})
    with pytest.raises(ValueError, match="org/model-GGUF"):
        load_model_metadata("org/model-GGUF/other.gguf")
