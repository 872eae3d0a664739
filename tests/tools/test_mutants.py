"""What mutmut is given: the same program, with nothing that hides a fault from the tests."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from tools.mutants import ROOM, ROOT, opened

SOURCE = '''
from functools import lru_cache

class Box:
    def __init__(self, side):
        self.side = side

    @property
    def area(self):
        """Of one face."""
        return self.side**2

    @classmethod
    def unit(cls):
        return cls(1)

@lru_cache(maxsize=1)
def table():
    return object()

@lru_cache(maxsize=8)
def fresh(x):
    return object()
'''


def test_properties_and_caches() -> None:
    names: dict[str, Any] = {}
    exec(opened(SOURCE), names)  # noqa: S102
    box = names["Box"](3)
    assert box.area == box._get_area() == 9
    assert names["Box"].unit().area == 1
    assert names["table"]() is names["table"](), "a table is read once"
    assert names["fresh"](1) is not names["fresh"](1), "an answer that is kept would hide a fault"


@pytest.mark.parametrize("path", sorted((ROOT / ROOM).rglob("*.py")), ids=lambda path: path.name)
def test_every_file_of_the_room_can_be_opened(path: Path) -> None:
    tree = ast.parse(opened(path.read_text(encoding="utf-8")))
    decorated = [
        ast.unparse(node.decorator_list[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]
    # what is kept within one call hides nothing
    assert set(decorated) <= {"classmethod", "lru_cache(maxsize=1)", "cache"}
