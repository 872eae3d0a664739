"""Words in systemd unit files: the rules of systemd.syntax(7) and of `ExecStart=` in systemd.service(5)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from wizard_tui.render.arguments import double_dollars

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPED = re.compile(r'[\\"]|[^ -~]')


def unit_word(text: str) -> str:
    """One word of a command, escaped so that systemd passes it on as it is, without expanding anything."""
    if _PLAIN.fullmatch(text):
        return text
    return '"' + double_dollars(_ESCAPED.sub(_escape, text)).replace("%", "%%") + '"'


def unit_command(lines: Iterable[Iterable[str]]) -> str:
    """A command over several lines; each item of `lines` is the words of one line."""
    return " \\\n  ".join(" ".join(map(unit_word, words)) for words in lines)


def unit_section(name: str, settings: Iterable[tuple[str, str]]) -> str:
    """A section of a unit file; the values are already unit syntax."""
    return "".join([f"[{name}]\n", *(f"{key}={value}\n" for key, value in settings)])


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in '\\"':
        return "\\" + character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
