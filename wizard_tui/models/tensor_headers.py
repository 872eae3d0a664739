"""The headers of safetensors files: types and shapes of tensors, checked against each other before they are used.

The format: https://huggingface.co/docs/safetensors/index#format. The library itself maps whole files; a header from
outside is read here within bounds.
"""

from __future__ import annotations

import json
import math
import struct
import threading
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from wizard_tui.errors import Refusal
from wizard_tui.models.metadata import Header

# the longest header that the format allows (safetensors/src/tensor.rs: MAX_HEADER_SIZE)
FORMAT_LIMIT_BYTES = 100_000_000
# all headers of one model: twice the largest known (140,000 tensors of Kimi K2)
MODEL_LIMIT_BYTES = 32 << 20
MOST_DIMENSIONS = 16
LARGEST = 1 << 63

# bytes of an element by the names that safetensors gives (F4 and F6 are packed)
ELEMENT_BYTES = {
    "F64": 8.0,
    "I64": 8.0,
    "U64": 8.0,
    "F32": 4.0,
    "I32": 4.0,
    "U32": 4.0,
    "F16": 2.0,
    "BF16": 2.0,
    "I16": 2.0,
    "U16": 2.0,
    "F8_E4M3": 1.0,
    "F8_E5M2": 1.0,
    "F8_E8M0": 1.0,
    "I8": 1.0,
    "U8": 1.0,
    "BOOL": 1.0,
    "F6_E2M3": 0.75,
    "F6_E3M2": 0.75,
    "F4": 0.5,
}


class HeaderBudget:
    """The bytes that all headers of one model may have together; taken from several threads."""

    def __init__(self) -> None:
        self._left = MODEL_LIMIT_BYTES
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Whether that many more bytes may be read."""
        with self._lock:
            self._left -= size
            return self._left >= 0


def header_length(first: bytes, where: str) -> int:
    """The length of a header, from the file's first 8 bytes. Raises Refusal when it is not a safetensors header."""
    if len(first) < 8:
        raise Refusal(f"{where} is cut off: it has no safetensors header; download it again")
    (length,) = struct.unpack("<Q", first[:8])
    if not 2 <= length <= FORMAT_LIMIT_BYTES:
        raise Refusal(f"{where} is no safetensors file: its header would have {length:,} bytes")
    return int(length)


def parse_header(data: bytes, where: str) -> dict[str, Header]:
    """The tensors that a header lists. Raises Refusal where safetensors would refuse it: sizes that do not match the
    shapes, and ranges that overlap."""
    try:
        listed = json.loads(data)
        found = {name: _tensor(entry) for name, entry in listed.items() if name != "__metadata__"}
        ranges = sorted(where_it_lies for _, where_it_lies in found.values())
        if any(end > begin for (_, end), (begin, _) in pairwise(ranges)):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Refusal(f"{where} has a broken safetensors header; download it again") from None
    return {name: header for name, (header, _) in found.items()}


def _tensor(entry: Mapping[str, Any]) -> tuple[Header, tuple[int, int]]:
    """Type and shape of one tensor, and the range of its bytes."""
    kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    sizes = (*shape, begin, end)
    if not isinstance(kind, str) or len(shape) > MOST_DIMENSIONS or any(type(size) is not int for size in sizes):
        raise TypeError
    each, count = ELEMENT_BYTES.get(kind), math.prod(shape)
    if (
        min(sizes) < 0
        or max(*sizes, count) >= LARGEST
        or end < begin
        or (each is not None and end - begin != count * each)
    ):
        raise ValueError
    return (kind, tuple(shape)), (begin, end)
