"""What the documents say is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.accuracy import report
from tools.docs import DOCUMENTS, PLOTS, ROOT, plots, with_table

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="a source archive has no documents")


@pytest.fixture(scope="module")
def printed() -> str:
    return report()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_tables_are_those_of_make_accuracy(name: str, printed: str) -> None:
    document = (ROOT / name).read_text(encoding="utf-8")
    table, _, _ = printed.partition("\n\n")
    assert table in document, "run python -m tools.docs"
    assert with_table(document, table + "\n") == document


def test_what_the_readme_says_beside_the_table(printed: str) -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    ours, formulas = re.search(r"since 0\.29: ([\d.]+) GiB off .* \(formulas ([\d.]+)\)", printed).groups()  # type: ignore[union-attr]
    right, servers = re.search(r"(\d+) of (\d+) right", printed).groups()  # type: ignore[union-attr]
    assert f"available cache is {ours} GiB off on average (formulas: {formulas})" in readme
    assert right == servers
    assert f"of {servers} servers whose logs are public, all are rightly said to start or not" in readme


def test_plots_are_up_to_date() -> None:
    drawn = plots()
    assert {path.name for path in PLOTS.iterdir()} == set(drawn)
    for name, svg in drawn.items():
        assert (PLOTS / name).read_text(encoding="utf-8") == svg, "run python -m tools.docs"


def test_a_table_is_replaced_where_it_stands() -> None:
    before = "# Title\n\n| figure | x |\n| --- | --- |\n| old | 1 |\n\nand | more\n"
    assert with_table(before, "| figure |\n| new |\n") == "# Title\n\n| figure |\n| new |\n\nand | more\n"


def test_every_path_in_the_documents_exists() -> None:
    for document in (*(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"):
        for path in re.findall(r"`((?:wizard_tui|tests|tools)/[\w./*]+)`", document.read_text(encoding="utf-8")):
            assert list(ROOT.glob(path)), f"{document.name} names {path}"
        for path in re.findall(r"\]\((?!http)([^)]+)\)", document.read_text(encoding="utf-8")):
            assert (Path(document).parent / path).exists(), f"{document.name} links {path}"
