"""YAML text that every YAML parser reads as the same values.

Strings are quoted unless they are plain words: YAML 1.1 and 1.2 disagree on what `yes`, `1e3` or `0o17` is, and the
readers of these files (Go, Python) follow either version. Text outside ASCII is escaped, so nothing in a name can
reorder or hide what is seen.

Values go to PyYAML's emitter as events: this is rendered on each key press, and its representer takes twice as long.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import yaml
from yaml import events

# libyaml, four times as fast, is part of PyYAML's wheels, but not of every build
_Emitter: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9/_.-]*")
_WORDS_WITH_MEANING = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_CONSTANTS = {None: "null", True: "true", False: "false"}

_MAPPING = events.MappingStartEvent(None, None, True, flow_style=False)
_MAPPING_END, _SEQUENCE_END = events.MappingEndEvent(), events.SequenceEndEvent()
_SEQUENCE = events.SequenceStartEvent(None, None, True, flow_style=False)


def to_yaml(document: Any) -> str:
    """One document of dicts, lists, text, numbers and None. Keys are text and keep their order; lines are unbroken."""
    return _emit([document], explicit=False)


def to_yaml_stream(documents: Iterable[Any]) -> str:
    """Several documents in one file, each after a `---` line."""
    return _emit(documents, explicit=True)


def _emit(documents: Iterable[Any], *, explicit: bool) -> str:
    stream = io.StringIO()
    emitter = _Emitter(stream, width=1 << 30)
    try:
        emitter.emit(events.StreamStartEvent())
        for document in documents:
            emitter.emit(events.DocumentStartEvent(explicit=explicit))
            _emit_node(emitter.emit, document)
            emitter.emit(events.DocumentEndEvent(explicit=False))
        emitter.emit(events.StreamEndEvent())
    finally:
        emitter.dispose()
    return stream.getvalue()


def _emit_node(emit: Callable[[Any], None], value: Any) -> None:
    if isinstance(value, str):
        emit(_text(value))
    elif isinstance(value, dict):
        emit(_MAPPING)
        for key, item in value.items():
            emit(_text(key))
            _emit_node(emit, item)
        emit(_MAPPING_END)
    elif isinstance(value, (list, tuple)):
        emit(_SEQUENCE)
        for item in value:
            _emit_node(emit, item)
        emit(_SEQUENCE_END)
    elif value is None or isinstance(value, bool):
        emit(_scalar(_CONSTANTS[value], quoted=False))
    else:
        emit(_scalar(_number(value), quoted=False))


def _number(value: float) -> str:
    """YAML 1.1 takes 1e-05 for text: it wants a decimal point before an exponent."""
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")


@lru_cache(maxsize=1024)
def _text(text: str) -> Any:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS_WITH_MEANING
    return _scalar(text, quoted=not plain)


def _scalar(text: str, *, quoted: bool) -> Any:
    return events.ScalarEvent(None, None, (True, True), text, style='"' if quoted else None)
