"""Numbers as people type them: `8k`, `32K`, `80GiB`, `10G`, with the meaning vLLM gives the suffixes."""

from __future__ import annotations

import math
import re

GIB = 1 << 30

# vllm/utils/argparse_utils.py: lower case is a power of 1000, upper case a power of 1024
_SUFFIXES = {"": 1, **{s: 1000**n for n, s in enumerate("kmgt", 1)}, **{s: 1024**n for n, s in enumerate("KMGT", 1)}}
_COUNT = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*([kmgtKMGT]?)")
_GIB = re.compile(r"([+-]?\d+(?:\.\d+)?)\s*(?:GiB|GB|G)?", re.IGNORECASE)


def as_number(value: object) -> object:
    """Refuse a truth value with Refusal: Python takes it for 0 or 1, and YAML reads `yes` as one."""
    if isinstance(value, bool):
        raise ValueError(f"must be a number, not {'true' if value else 'false'}")
    return value


def parse_count(value: object) -> object:
    """Read a count such as `8192`, `8k` (8000) or `32K` (32768). Raises Refusal for a truth value.

    Other text is returned unchanged, so that the next validator names the problem.
    """
    if not isinstance(value, str):
        return as_number(value)
    match = _COUNT.fullmatch(value.strip().replace(",", "").replace("_", ""))
    if match is None:
        return value
    number = float(match[1]) * _SUFFIXES[match[2]]
    return int(number) if math.isfinite(number) and number == int(number) else value


def parse_gib(value: object) -> object:
    """Read a memory size in GiB such as `80`, `80GB` or `79.2 GiB`; both spellings mean 2^30 bytes here.

    Raises Refusal for a truth value.
    """
    if not isinstance(value, str):
        return as_number(value)
    match = _GIB.fullmatch(value.strip())
    return float(match[1]) if match else value


def gib(size_bytes: float) -> float:
    """Bytes as GiB (2^30)."""
    return size_bytes / GIB
