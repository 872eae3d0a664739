"""What people paste as a model."""

from __future__ import annotations

import pytest

from wizard_tui.models.address import Address, parse


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("Qwen/Qwen3-8B", Address("Qwen/Qwen3-8B")),
        ("gpt2", Address("gpt2")),
        ("https://huggingface.co/Qwen/Qwen3-8B", Address("Qwen/Qwen3-8B")),
        ("https://huggingface.co/Qwen/Qwen3-8B/", Address("Qwen/Qwen3-8B")),
        ("huggingface.co/Qwen/Qwen3-8B", Address("Qwen/Qwen3-8B")),
        ("https://hf.co/Qwen/Qwen3-8B?library=vllm#files", Address("Qwen/Qwen3-8B")),
        ("https://huggingface.co/Qwen/Qwen3-8B/tree/main", Address("Qwen/Qwen3-8B")),
        ("https://huggingface.co/Qwen/Qwen3-8B/tree/refs%2Fpr%2F3", Address("Qwen/Qwen3-8B", "refs/pr/3")),
        ("https://huggingface.co/org/m/blob/v2/x.gguf", Address("org/m", "v2", "x.gguf")),
        ("https://mirror.local/Qwen/Qwen3-8B", Address("Qwen/Qwen3-8B")),
        ("org/model-GGUF/sub/file-Q4_K_M.gguf", Address("org/model-GGUF", None, "sub/file-Q4_K_M.gguf")),
        ("/data/file.gguf", Address("/data/file.gguf")),
    ],
)
def test_addresses(name: str, address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.local")
    assert parse(name) == address


@pytest.mark.parametrize(
    "name",
    [
        "https://example.com/Qwen/Qwen3-8B",
        "https://huggingface.co/Qwen",
        "https://huggingface.co/datasets/org/data",
        "https://",
    ],
)
def test_what_is_no_models_page(name: str) -> None:
    with pytest.raises(ValueError, match="give an id such as Qwen/Qwen3-8B"):
        parse(name)
