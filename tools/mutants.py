"""How many small faults in planning/ the tests notice, and which they do not.

    python -m tools.mutants run ['*_mutmut_*1']       # all, or those of these names: here one in ten of each function
    python -m tools.mutants table                     # one line a file
    python -m tools.mutants again                     # those that survived once more, with the tests as they are now
    python -m tools.mutants survivors [FILE]          # one line for each that no test noticed

mutmut makes the faults and runs the tests, in a copy of the tree under build/mutants. It leaves decorated functions
alone, so in the copy a property is a plain function handed to `property`, and functions are not cached: a cache that
is filled already would hide a fault. Module constants are not mutated; nor are loaders of data files.
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
        if word in ("property", "cached_property"):
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
    """For every file under ROOM, its mutants that were run, each with mutmut's code."""
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


def survivors(file: str | None = None) -> Iterator[str]:
    """Each surviving mutant of a file by its name."""
    for name, codes in results().items():
        if file in (None, name):
            yield from (mutant for mutant, code in codes.items() if code in SURVIVED)


def told(mutant: str) -> str:
    """One line: where a mutant is, and what it changes."""
    shown = subprocess.run([*MUTMUT, "show", mutant], cwd=COPY, capture_output=True, text=True).stdout
    before, after = (
        [word for line in shown.splitlines() if line[:1] == sign and line[:3] != 3 * sign for word in line[1:].split()]
        for sign in "-+"
    )
    # the common parts at either end say nothing, except for two words
    start = max(0, _common(before, after) - 2)
    end = max(0, _common(before[:start:-1], after[:start:-1]) - 1)
    old, new = (" ".join(words[start : len(words) - end]) for words in (before, after))
    function, _, number = mutant.partition("__mutmut_")
    place = function.removeprefix("wizard_tui.planning.").replace("ǁ", ".").replace(".x_", ".").replace(".x.", ".")
    return f"{place} {number}: `{old}` -> `{new}`"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def again() -> None:
    """Run the survivors once more with the tests of today."""
    for copy in (COPY, COPY / "mutants"):
        shutil.rmtree(copy / "tests")
        shutil.copytree(ROOT / "tests", copy / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([*MUTMUT, "run", "--max-children", "1", *survivors()], cwd=COPY, check=False)


def main() -> None:
    match sys.argv[1:]:
        case ["run", *names]:
            prepare()
            subprocess.run([*MUTMUT, "run", "--max-children", "1", *names], cwd=COPY, check=False)
            print(table())
        case ["table"]:
            print(table())
        case ["again"]:
            again()
            print(table())
        case ["survivors", *names]:
            for mutant in survivors(*names[:1]):
                print(told(mutant))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
