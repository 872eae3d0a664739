"""YAML text that every YAML parser reads as the same values.

Strings are quoted unless they are plain words: YAML 1.1 and 1.2 disagree on what `yes`, `1e3` or `0o17` is, and the
readers of these files (Go, Python) are of both kinds. Text outside ASCII is escaped, so nothing in a name can reorder
or hide what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

# libyaml, four times as fast, is part of PyYAML's wheels, but not of every build
_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/_.-]*")
_WORDS_WITH_MEANING = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class _Dumper(_Base):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_MEANING
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def to_yaml(document: Any) -> str:
    """One document, keys in the given order, long lines unbroken."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=1 << 30)
    return text


def to_yaml_stream(documents: Iterable[Any]) -> str:
    """Several documents in one file, each after a `---` line."""
    return "".join(f"---\n{to_yaml(document)}" for document in documents)
