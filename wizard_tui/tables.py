"""Facts that come with the package as data files."""

from __future__ import annotations

import json
import sys
from importlib.resources import files
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_table(package: str, name: str) -> dict[str, Any]:
    """The TOML or JSON file `name` of `package`, as plain data."""
    text = files(package).joinpath(name).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    return table
