"""Reads a model directory on disk: config.json, quantisation, tensor headers. Never more than bounded JSON."""

from __future__ import annotations

import json
import os
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

JSON_LIMIT_BYTES = 16 << 20
# what the safetensors format allows a header to be (safetensors/src/tensor.rs: MAX_HEADER_SIZE)
HEADER_LIMIT_BYTES = 100_000_000


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises FileNotFoundError when there is no such file, ValueError when it is not a regular file of at most 16 MiB that
    holds one JSON object in UTF-8; each with one plain sentence.
    """
    with open_regular(path) as file:
        data = file.read(JSON_LIMIT_BYTES + 1)
    return parse_json_object(data, str(path))


def parse_json_object(data: bytes, where: str) -> dict[str, Any]:
    """The object that `data` holds as JSON; ValueError, in which the file is called `where`, when it holds none."""
    if len(data) > JSON_LIMIT_BYTES:
        raise ValueError(f"{where} is larger than {JSON_LIMIT_BYTES >> 20} MiB, which no model config is")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError(f"{where} is not text in UTF-8; is it the right file?") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is not valid JSON: {error.msg} in line {error.lineno}") from None
    except (RecursionError, ValueError):
        raise ValueError(f"{where} is not valid JSON: it is nested too deeply or has a number too large") from None
    if not isinstance(value, dict):
        raise ValueError(f"{where} holds no JSON object")
    return value


def read_model_config(folder: Path) -> dict[str, Any]:
    """config.json of a directory, completed by hf_quant_config.json where ModelOpt wrote the quantisation there.

    Raises FileNotFoundError or ValueError as `read_json` does.
    """
    try:
        config = read_json(folder / "config.json")
    except FileNotFoundError:
        raise FileNotFoundError(_no_config(folder)) from None
    try:
        return with_quantization(config, read_json(folder / "hf_quant_config.json"))
    except FileNotFoundError:
        return config


def with_quantization(config: dict[str, Any], hf_quant_config: Mapping[str, Any]) -> dict[str, Any]:
    """A config with what hf_quant_config.json says, which counts only when the config itself says nothing
    (vllm/transformers_utils/config.py:get_config)."""
    if config.get("quantization_config"):
        return config
    return config | {"quantization_config": dict(hf_quant_config)}


def read_tensor_headers(folder: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor of a directory's safetensors files; empty when a part of them is missing.

    With an index, the files that it names count, as vLLM skips all others. Raises ValueError for a broken file.
    """
    names = _safetensors_files(folder)
    headers: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name in names:
        try:
            with open_regular(folder / name) as file:
                headers.update(parse_header(_header_bytes(file, str(folder / name)), str(folder / name)))
        except FileNotFoundError:
            return {}
    return headers


def header_length(first: bytes, where: str) -> int:
    """The length of a safetensors header, which stands in the file's first 8 bytes."""
    if len(first) < 8:
        raise ValueError(f"{where} is cut off: it has no safetensors header; download it again")
    (length,) = struct.unpack("<Q", first[:8])
    if not 2 <= length <= HEADER_LIMIT_BYTES:
        raise ValueError(f"{where} is no safetensors file: its header would have {length:,} bytes")
    return int(length)


def parse_header(data: bytes, where: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The tensors that a safetensors header lists (https://huggingface.co/docs/safetensors/index#format)."""
    try:
        listed = json.loads(data)
        return {
            str(name): (str(entry["dtype"]), tuple(int(size) for size in entry["shape"]))
            for name, entry in listed.items()
            if name != "__metadata__"
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"{where} has a broken safetensors header; download it again") from None


def _header_bytes(file: IO[bytes], where: str) -> bytes:
    length = header_length(file.read(8), where)
    data = file.read(length)
    if len(data) < length:
        raise ValueError(f"{where} is cut off in its safetensors header; download it again")
    return data


def _safetensors_files(folder: Path) -> list[str]:
    try:
        index = read_json(folder / "model.safetensors.index.json")
    except FileNotFoundError:
        return sorted(path.name for path in folder.glob("*.safetensors") if not path.name.startswith("consolidated"))
    files = index.get("weight_map")
    return (
        sorted({str(name) for name in files.values() if Path(str(name)).name == name})
        if isinstance(files, dict)
        else []
    )


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file; a FIFO or a device, which could block for ever, is refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is not a regular file")
    return os.fdopen(descriptor, "rb")


def _no_config(folder: Path) -> str:
    adapter = folder / "adapter_config.json"
    if adapter.is_file():
        return (
            f"{folder} has no config.json but adapter_config.json: it is a LoRA adapter; plan its base model and "
            "serve the adapter with --enable-lora --lora-modules"
        )
    return f"{folder} has no config.json; give the directory of a Hugging Face model"
