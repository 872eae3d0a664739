"""GGUF files: the model's shape from the keys of the header, and the exact bytes of its tensors.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The `gguf` package maps whole files and keeps
every token; a header from outside is read here with bounds on everything it may ask for.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from wizard_tui.errors import Refusal
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.local import open_regular
from wizard_tui.models.metadata import Header, ModelMetadata, Repository
from wizard_tui.models.tensor_headers import LARGEST
from wizard_tui.tables import read_table

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 4096
MOST_TENSORS = 1 << 17
# in all lists together; the longest known vocabularies have a quarter of a million words, and twice as many merges
MOST_ITEMS = 1 << 21
LONGEST_TEXT = 1 << 20
MOST_DIMENSIONS = 4
# the most that is read of a file, its tokens included
HEADER_LIMIT_BYTES = 64 << 20

_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9
_TOKENS = "tokenizer.ggml.tokens"


@dataclass(frozen=True)
class GGUFFile:
    """The header of a file: its keys (for an array, its length), and type and shape of each tensor."""

    keys: Mapping[str, Any]
    tensors: Mapping[str, Header]


def metadata_from_gguf(path: Path) -> ModelMetadata:
    """The facts of a GGUF file on this machine. Raises Refusal, one sentence, when it is not one or is broken."""
    with open_regular(path) as file:
        header = read_header(file, str(path))
    return metadata_from_header(header, str(path), path=str(path.resolve()))


def metadata_from_header(
    header: GGUFFile,
    where: str,
    *,
    path: str | None = None,
    revision: str | None = None,
    repository: Repository | None = None,
) -> ModelMetadata:
    """The facts that a header holds; `where` is the file's name."""
    return metadata_from_config(
        config_of(header, where),
        model_id=where,
        source="tensor headers",
        path=path,
        revision=revision,
        headers=header.tensors,
        repository=repository,
        warnings=(
            "vLLM reads GGUF files by a plugin, and needs --tokenizer with the model that the file was made from; "
            "a checkpoint in AWQ, GPTQ or FP8 runs faster",
        ),
    )


def read_header(file: IO[bytes], where: str) -> GGUFFile:
    """Read keys and tensor list. Time and memory are bounded by what a header may hold, not by what it claims."""
    reader = _Reader(file, where)
    if reader.take(4) != MAGIC:
        raise Refusal(f"{where} is no GGUF file; give one that begins with GGUF, or a directory with config.json")
    version = reader.number("<I")
    if version not in VERSIONS:
        raise Refusal(f"{where} has GGUF version {version}, and 2 and 3 can be read; convert it again")
    tensors, keys = reader.count(MOST_TENSORS, "tensors"), reader.count(MOST_KEYS, "keys")
    values = {}
    for _ in range(keys):
        name = reader.text()
        values[name] = reader.value(reader.number("<I"), depth=0)
    return GGUFFile(values, dict(reader.tensor() for _ in range(tensors)))


def config_of(header: GGUFFile, where: str) -> dict[str, Any]:
    """The keys of a GGUF header under the names of a config.json. Raises Refusal when they describe no model."""
    table = _table()
    name = header.keys.get("general.architecture")
    if not isinstance(name, str) or not name:
        raise Refusal(f"{where} does not say which architecture it has (general.architecture); convert it again")
    config: dict[str, Any] = {
        theirs: header.keys[f"{name}.{ours}"]
        for ours, theirs in table["keys"].items()
        if f"{name}.{ours}" in header.keys
    }
    if "vocab_size" not in config and isinstance(header.keys.get(_TOKENS), int):
        config["vocab_size"] = header.keys[_TOKENS]
    types = table["mixtures"] if config.get("num_experts") else {}
    model_type = types.get(name) or table["architectures"].get(name, name)
    return config | {
        "model_type": model_type,
        "architectures": [f"{name} (GGUF)"],
        "tie_word_embeddings": "output.weight" not in header.tensors,
        "quantization_config": {"quant_method": "gguf"},
    }


@lru_cache(maxsize=1)
def element_bytes() -> Mapping[str, float]:
    """Bytes of one weight by the name of its GGML type, including its share of the block's scales."""
    return {name: size / weights for name, weights, size in _table()["types"].values()}


class _Reader:
    """Takes a header apart; everything it reads is counted."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        self._file, self._where, self._left = file, where, HEADER_LIMIT_BYTES
        self._items_left = MOST_ITEMS

    def take(self, size: int) -> bytes:
        self._left -= size
        if size < 0 or self._left < 0:
            raise Refusal(f"{self._where} has a header of more than {HEADER_LIMIT_BYTES >> 20} MiB, which no model has")
        data = self._file.read(size)
        if len(data) != size:
            raise Refusal(f"{self._where} is cut off within its header; download it again")
        return data

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def count(self, most: int, what: str) -> int:
        number = int(self.number("<Q"))
        if number > most:
            raise Refusal(f"{self._where} claims {number:,} {what}, which no model has; download it again")
        return number

    def text(self) -> str:
        return self.take(self.count(LONGEST_TEXT, "letters in a name")).decode("utf-8", "replace")

    def value(self, kind: int, depth: int) -> Any:
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY and depth < 2:
            return self._array(depth)
        raise Refusal(f"{self._where} has a value of the unknown type {kind}; download it again")

    def _array(self, depth: int) -> int | list[Any]:
        """A list with one number a layer is kept; of a longer one, only the length is."""
        kind, length = int(self.number("<I")), self.count(MOST_ITEMS, "items in a list")
        if kind in _SCALARS:
            data = self.take(length * struct.calcsize(_SCALARS[kind]))
            if length <= MOST_KEYS:
                return [one for (one,) in struct.iter_unpack(_SCALARS[kind], data)]
            return length
        self._items_left -= length
        if self._items_left < 0:
            raise Refusal(f"{self._where} has more than {MOST_ITEMS:,} words in lists, which no model has")
        for _ in range(length):
            self.value(kind, depth + 1)
        return length

    def tensor(self) -> tuple[str, Header]:
        name = self.text()
        dimensions = int(self.number("<I"))
        if not 0 < dimensions <= MOST_DIMENSIONS:
            raise Refusal(f"{self._where} has a tensor of {dimensions} dimensions; download it again")
        # the innermost dimension comes first
        shape = tuple(int(self.number("<Q")) for _ in range(dimensions))[::-1]
        if math.prod(shape) >= LARGEST:
            raise Refusal(f"{self._where} has a tensor of more weights than any has; download it again")
        kind = str(self.number("<I"))
        self.number("<Q")
        known = _table()["types"].get(kind)
        if known is None:
            raise Refusal(f"{self._where} has tensors of type {kind}, which is not known here")
        return name, (str(known[0]), shape)


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return read_table(__package__, "gguf.toml")
