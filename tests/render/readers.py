"""Artifacts as read by the programs they are made for."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

# libyaml, many times as fast, is part of PyYAML's wheels, but not of every build
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_PASS_ON = """\
{name}() {{ printf '%s\\0' {name} "$@"; }}
export -f {name}
"""


def run_bash(script: str, *stubs: str, before: str = "", **environment: str) -> list[str]:
    """What bash passes to the programs `stubs`, which are replaced by functions: the name, then each argument."""
    defined = "".join(_PASS_ON.format(name=name) for name in stubs)
    ran = subprocess.run(
        ["bash", "--noprofile", "--norc"],
        input=f"{defined}{before}\n{script}".encode(),
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert not ran.stderr
    return ran.stdout.decode().split("\0")[:-1]


def options(arguments: Sequence[str]) -> dict[str, str]:
    """`vllm serve` arguments as option -> value, with the model under `model` and "" for a switch."""
    model, *rest = arguments
    read = {"model": model}
    while rest:
        flag = rest.pop(0)
        assert flag.startswith("--"), f"{flag!r} is no flag"
        name, equals, value = flag.partition("=")
        if not equals and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        read[name[2:].replace("-", "_")] = value
    return read


def documents(text: str) -> list[Any]:
    """All YAML documents, read by YAML 1.1's rules."""
    return list(yaml.load_all(text, _Loader))


# https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md
_VARIABLE = re.compile(r"\$(?:(\$)|\{(\w+)(?::?([-?])([^}]*))?\}|(\w+))?")


def compose_value(text: str, environment: Mapping[str, str]) -> str:
    """A value of a Compose file after interpolation; a `$` that is neither `$$` nor a variable is an error."""

    def replaced(match: re.Match[str]) -> str:
        dollar, braced, operator, other, plain = match.groups()
        if dollar:
            return "$"
        name = braced or plain
        assert name, f"invalid interpolation format in {text!r}"
        if name not in environment:
            assert operator == "-", f"{name} is not set: {other}"
            return compose_value(other, environment)
        return environment[name]

    return _VARIABLE.sub(replaced, text)


# k8s.io/kubernetes third_party/forked/golang/expansion: $(NAME) when known, $$ is $, anything else stays
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


def kubernetes_words(words: Iterable[str], environment: Mapping[str, str] | None = None) -> list[str]:
    """`command` or `args` of a container after expansion."""
    known = environment or {}
    return [_REFERENCE.sub(lambda m: "$" if m[1] == "$" else known.get(m[2], m[0]), word) for word in words]


def unit_settings(text: str) -> dict[str, list[str]]:
    """`Section.Key` -> values of a unit file, with continued lines joined by a space (systemd.syntax(7))."""
    section, found = "", dict[str, list[str]]()
    for line in re.sub(r"\\\n", " ", text).split("\n"):
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_DIGITS = {"x": 2, "u": 4, "U": 8}


def unit_words(command: str) -> list[str]:
    """Words of `ExecStart=`: specifiers, then quotes and escapes, then variables (systemd.service(5))."""
    assert not re.search(r"(?<!%)(%%)*%(?!%)", command), f"a specifier in {command!r}"
    words, word, quote, i = [], None, "", 0
    text = command.replace("%%", "%")
    while i < len(text):
        char = text[i]
        i += 1
        if char == "\\":
            kind = text[i]
            i += 1
            if kind in _DIGITS:
                digits = text[i : i + _DIGITS[kind]]
                i += len(digits)
                char = chr(int(digits, 16))
            else:
                char = _ESCAPES.get(kind, kind)
        elif quote and char == quote:
            quote = ""
            continue
        elif not quote and char in "'\"":
            quote, word = char, word or ""
            continue
        elif not quote and char in " \t":
            if word is not None:
                words.append(word)
            word = None
            continue
        word = (word or "") + char
    assert not quote, f"an open quote in {command!r}"
    words += [] if word is None else [word]
    assert not any(re.search(r"(?<!\$)(\$\$)*\$(?!\$)", word) for word in words), f"a variable in {command!r}"
    return [word.replace("$$", "$") for word in words]
