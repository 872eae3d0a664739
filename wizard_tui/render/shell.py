"""Commands as text for bash: every word quoted, one option per line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

SCRIPT_HEAD = "#!/usr/bin/env bash\nset -euo pipefail\n"


class Shell(str):
    """Text that is already shell syntax, such as `"${HF_HOME:-$HOME}"`; never made from a user's words."""

    __slots__ = ()


def quoted(word: str) -> str:
    """One word, quoted so that bash takes it as it is."""
    return word if isinstance(word, Shell) else shlex.quote(word)


def command(lines: Iterable[Iterable[str]]) -> str:
    """A command over several lines; each item of `lines` is the words of one line."""
    return " \\\n  ".join(" ".join(map(quoted, words)) for words in lines) + "\n"


def required(variable: str, meaning: str) -> Shell:
    """The value of an environment variable; bash stops when it is unset or empty."""
    return Shell(f'"${{{variable}:?{meaning}}}"')
