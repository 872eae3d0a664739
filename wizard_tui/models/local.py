"""Reads a model directory on disk: config.json, quantisation, tensor headers. Only JSON of bounded size."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from wizard_tui.errors import NoConfig, Refusal
from wizard_tui.models.tensor_headers import HeaderBudget, header_length, parse_header

JSON_LIMIT_BYTES = 16 << 20
INDEX_LIMIT_BYTES = 32 << 20
INDEX = "model.safetensors.index.json"
LONGEST_NAME = 255


def read_json(path: Path, limit: int | None = None) -> dict[str, Any]:
    """The object in a JSON file.

    Raises NoConfig when there is no such file, Refusal when it is not a regular file of at most `limit`
    bytes (16 MiB) that holds one JSON object in UTF-8; each with one plain sentence.
    """
    limit = limit or JSON_LIMIT_BYTES
    with open_regular(path) as file:
        data = file.read(limit + 1)
    return parse_json_object(data, str(path), limit)


def parse_json_object(data: bytes, where: str, limit: int | None = None) -> dict[str, Any]:
    """The object that `data` holds as JSON; raises Refusal, naming the file `where`, when it holds none."""
    limit = limit or JSON_LIMIT_BYTES
    if len(data) > limit:
        raise Refusal(f"{where} is larger than {limit >> 20} MiB, which no model config is")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Refusal(f"{where} is not text in UTF-8; is it the right file?") from None
    except json.JSONDecodeError as error:
        raise Refusal(f"{where} is not valid JSON: {error.msg} in line {error.lineno}") from None
    except (RecursionError, ValueError):
        raise Refusal(f"{where} is not valid JSON: it is nested too deeply or has a number too large") from None
    if not isinstance(value, dict):
        raise Refusal(f"{where} holds no JSON object")
    return value


def read_model_config(folder: Path) -> dict[str, Any]:
    """config.json of a directory, completed by hf_quant_config.json where ModelOpt wrote the quantisation there.

    Raises NoConfig or Refusal as `read_json` does.
    """
    try:
        config = read_json(folder / "config.json")
    except FileNotFoundError:
        raise NoConfig(_no_config(folder)) from None
    try:
        return with_quantization(config, read_json(folder / "hf_quant_config.json"))
    except FileNotFoundError:
        return config


def with_quantization(config: dict[str, Any], hf_quant_config: Mapping[str, Any]) -> dict[str, Any]:
    """A config completed by hf_quant_config.json, which counts only when the config itself says nothing
    (vllm/transformers_utils/config.py:get_config)."""
    if config.get("quantization_config"):
        return config
    return config | {"quantization_config": dict(hf_quant_config)}


def read_tensor_headers(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor in a directory's safetensors files; empty when some files are missing, or when
    the headers together are longer than those of any model.

    With an index, the files that it names count, as vLLM skips all others. Raises Refusal for a broken file.
    """
    names, budget = _safetensors_files(folder), HeaderBudget()
    headers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name in names:
        try:
            with open_regular(folder / name) as file:
                length = header_length(file.read(8), str(folder / name))
                if not budget.take(length):
                    return {}
                data = file.read(length)
        except FileNotFoundError:
            return {}
        if len(data) < length:
            raise Refusal(f"{folder / name} is cut off in its safetensors header; download it again")
        headers.update(parse_header(data, str(folder / name)))
    return headers


def _safetensors_files(folder: Path) -> list[str]:
    try:
        index = read_json(folder / INDEX, INDEX_LIMIT_BYTES)
    except FileNotFoundError:
        return sorted(path.name for path in folder.glob("*.safetensors") if not path.name.startswith("consolidated"))
    listed = index.get("weight_map")
    names = set(map(str, listed.values())) if isinstance(listed, dict) else set()
    if not all(map(_is_file_name, names)):
        raise Refusal(f"{folder / INDEX} names files that are no safetensors files beside it; download it again")
    return sorted(names)


def _is_file_name(name: str) -> bool:
    return name.endswith(".safetensors") and "/" not in name and name.isprintable() and len(name) <= LONGEST_NAME


@contextmanager
def open_regular(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file; a FIFO or a device, which could block for ever, is refused.

    Raises NoConfig, or Refusal when it cannot be opened, or cannot be read within the block.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise Refusal(f"{path} is not a regular file")
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror or error}") from None


def _no_config(folder: Path) -> str:
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        return (
            f"{folder} has no config.json but adapter_config.json: it is a LoRA adapter; plan its base model and "
            "serve the adapter with --enable-lora --lora-modules"
        )
    return f"{folder} has no config.json; give the directory of a Hugging Face model"
