"""A fault of this program: kept in a private file that can be shown to others, and reported in one sentence.

The file holds where it happened and with which versions, and no local variables. What the user gave (fields, command
line, environment) is taken out of the messages of exceptions, as is whatever looks like a key.
"""

from __future__ import annotations

import os
import platform
import re
import secrets
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from wizard_tui.files import make_private, replace_file, state_folder
from wizard_tui.schemas.secrets import without_keys_in

EXIT_CODE = os.EX_SOFTWARE
MOST_FILES = 5
MOST_CAUSES = 10
LONGEST_MESSAGE, MESSAGE_SHOWN = 4000, 400
# a shorter user text reveals nothing, and removing it would spoil the message
SHORTEST_PRIVATE, SHORTEST_PART = 4, 6
_GONE = "[taken out]"
# quoted text in a message is mostly data; an apostrophe within a word, as in "can't", is no quote
_QUOTED = re.compile(r"(?<!\w)(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\")")


def report(error: BaseException, *, step: str = "", private: Iterable[str] = (), kept: str = "") -> int:
    """Keep a fault and report it on stderr in a sentence; returns the exit code.

    `step` is where the user was, `private` what was typed, `kept` a sentence on whether that was saved. Never raises:
    the disk may be full and stderr closed.
    """
    text = "the fault could not be described\n"
    with suppress(Exception):
        text = described(error, step=step, private=private)
    path = _written(text)
    what = "with the lines above" if path is None else f"with {path}"
    sentences = (
        f"{'' if path is not None else text}vllm-wizard-tui: a fault of this program, not of yours:"
        f" {type(error).__name__}.",
        kept,
        f"Please report it {what}.",
    )
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(" ".join(filter(None, sentences)) + "\n")
        sys.stderr.flush()
    return EXIT_CODE


def described(error: BaseException, *, step: str = "", private: Iterable[str] = ()) -> str:
    """Versions, the step, and the traceback without the user's input."""
    taken_out = _private(private)
    lines = [
        f"time: {datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} UTC",
        *(f"{name}: {version}" for name, version in _versions()),
        f"step: {step or 'none'}",
        "",
    ]
    for depth, (heading, one) in enumerate(_chain(error)):
        if depth == MOST_CAUSES:
            lines.append("and further ones")
            break
        lines += [heading] if heading else []
        code = "".join(traceback.format_tb(one.__traceback__))
        said = _cleaned(_message(one), taken_out, code)
        lines += [f"{code}{type(one).__module__}.{type(one).__qualname__}: {said}", ""]
    return "\n".join(lines)


def _written(text: str) -> Path | None:
    folder = state_folder() / "crashes"
    path = folder / f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}.txt"
    try:
        make_private(folder)
        replace_file(path, text)
        for old in sorted(folder.glob("*.txt"))[:-MOST_FILES]:
            old.unlink(missing_ok=True)
    except (OSError, ValueError):
        return path if path.exists() else None
    return path


def _versions() -> Iterator[tuple[str, str]]:
    from importlib import metadata

    from wizard_tui.version import __version__

    yield "vllm-wizard-tui", __version__
    yield "python", platform.python_version()
    for name in ("textual", "pydantic"):
        with suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)
    yield "system", platform.platform()
    yield "TERM", _printable(os.environ.get("TERM", "not set"))[:40]


def _chain(error: BaseException) -> Iterator[tuple[str, BaseException]]:
    """The error, its causes, and the errors it groups; each once."""
    seen: set[int] = set()
    waiting: list[tuple[str, BaseException | None]] = [("", error)]
    while waiting:
        heading, one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield heading, one
        waiting.append(("which came from", one.__cause__))
        if not one.__suppress_context__:
            waiting.append(("while dealing with", one.__context__))
        waiting += [("which holds", part) for part in getattr(one, "exceptions", ())]


def _message(error: BaseException) -> str:
    try:
        said = str(error)
    except Exception:
        return "(its message cannot be shown)"
    # a text this long is data, which must not be here; cut in half it might be half of a key
    return said if len(said) <= LONGEST_MESSAGE else f"(a message of {len(said):,} characters)"


def _private(texts: Iterable[str]) -> list[str]:
    """What is removed from messages, the longest first: texts, command line and environment, and their parts."""
    given = [*texts, *sys.argv[1:]]
    found = {text for text in (*given, *os.environ.values()) if len(text) >= SHORTEST_PRIVATE}
    found |= {part for text in given for part in re.split(r"[^\w-]+", text) if len(part) >= SHORTEST_PART}
    return sorted(found, key=len, reverse=True)


def _cleaned(message: str, taken_out: Iterable[str], code: str) -> str:
    """A message without the user's input, and without quoted text except words of the failing code."""

    def quoted(found: re.Match[str]) -> str:
        text = found[1] or found[2] or ""
        ours = text.isidentifier() and re.search(rf"\b{text}\b", code)
        return found[0] if ours else f"({len(text)} characters)"

    for text in taken_out:
        message = message.replace(text, _GONE)
    message = _QUOTED.sub(quoted, message)
    return _printable(without_keys_in(message, _GONE))[:MESSAGE_SHOWN]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
