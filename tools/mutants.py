"""How many small faults in planning/ the tests notice, and which they do not.

    python -m tools.mutants run ['*_mutmut_*[147]']   # all, or those of these names: here three in ten of each function
    python -m tools.mutants table                     # one line a file
    python -m tools.mutants survivors [FILE]          # the mutants that no test noticed, as differences

mutmut makes the faults and runs the tests, in a copy of the tree under build/mutants. It leaves decorated functions
alone, so in the copy a property is a plain function handed to `property`, and functions are not cached: a cache that
is filled already would hide a fault. Module constants are not mutated; nor are loaders of data files.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPY = ROOT / "build" / "mutants"
ROOM = "wizard_tui/planning"
MUTMUT = (sys.executable, "-m", "mutmut")
SURVIVED = {0, 33}
"""mutmut's codes for a mutant that passed its tests, and for one that no test reaches."""


def prepare() -> None:
    """A fresh copy of the tree, its decorated functions opened for mutation."""
    shutil.rmtree(COPY, ignore_errors=True)
    for name in ("wizard_tui", "styles", "tests", "tools"):
        shutil.copytree(ROOT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, COPY / name)
    for path in (COPY / ROOM).rglob("*.py"):
        path.write_text(opened(path.read_text(encoding="utf-8")), encoding="utf-8")


def opened(source: str) -> str:
    """The source with its properties as plain functions, and without caches where there are arguments."""
    lines = source.splitlines()
    for node in sorted(_functions(ast.parse(source)), key=lambda node: -node.lineno):
        decorator = node.decorator_list[0]
        first = decorator.lineno - 1
        word = ast.unparse(decorator)
        if word == "property":
            line = lines[node.lineno - 1]
            indent = line[: len(line) - len(line.lstrip())]
            lines.insert(node.end_lineno or node.lineno, f"{indent}{node.name} = property(_get_{node.name})")
            lines[node.lineno - 1] = line.replace(f"def {node.name}(", f"def _get_{node.name}(", 1)
            del lines[first]
        elif word.startswith("lru_cache") and (node.args.args or node.args.kwonlyargs):
            del lines[first]
    return "\n".join(lines) + "\n"


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list)


def results() -> dict[str, dict[str, int]]:
    """For every file of the room its mutants that were run, each with mutmut's code."""
    found = {}
    for meta in sorted((COPY / "mutants" / ROOM).rglob("*.meta")):
        codes: dict[str, int | None] = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        name = str(meta.relative_to(COPY / "mutants" / ROOM)).removesuffix(".meta")
        found[name] = {mutant: code for mutant, code in codes.items() if code is not None}
    return {name: codes for name, codes in found.items() if codes}


def table() -> str:
    """One line a file: mutants run, noticed, and the share of them."""
    rows = ["| file | mutants | noticed | share |", "| --- | ---: | ---: | ---: |"]
    total = noticed = 0
    for name, codes in results().items():
        caught = sum(code not in SURVIVED for code in codes.values())
        total, noticed = total + len(codes), noticed + caught
        rows.append(f"| {name} | {len(codes)} | {caught} | {caught / len(codes):.1%} |")
    return "\n".join([*rows, f"| **all** | {total} | {noticed} | {noticed / max(1, total):.1%} |"])


def survivors(name: str | None) -> Iterator[str]:
    """The difference that each surviving mutant of a file makes."""
    for file, codes in results().items():
        for mutant in (mutant for mutant, code in codes.items() if code in SURVIVED and name in (None, file)):
            shown = subprocess.run([*MUTMUT, "show", mutant], cwd=COPY, capture_output=True, text=True).stdout
            changed = re.findall(r"^[-+](?![-+]).*", shown, re.MULTILINE)
            yield "\n".join([mutant, *changed])


def main() -> None:
    match sys.argv[1:]:
        case ["run", *names]:
            prepare()
            subprocess.run([*MUTMUT, "run", "--max-children", "1", *names], cwd=COPY, check=False)
            print(table())
        case ["table"]:
            print(table())
        case ["survivors", *names]:
            for found in survivors(names[0] if names else None):
                print(found, end="\n\n")
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
