"""`models search` and `models show`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.planning.conftest import LLAMA_8B
from wizard_tui.errors import Refusal
from wizard_tui.models.search import Found


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Hub has one model of each name that is asked for; what was asked."""
    asked: list[str] = []

    def answer(text: str) -> Sequence[Found]:
        asked.append(text)
        return [Found("org/" + text.replace(" ", "-"), "on the Hub"), Found("org/\x1b[31mred", "on the Hub")]

    monkeypatch.setattr("wizard_tui.models.search.search_hub", answer)
    return asked


def test_models_are_listed_with_those_that_fit_marked(run: Run) -> None:
    ran = run("models", "search", "qwen3 32b", "--gpu", "RTX 4090")
    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].split("  ")[0] == "Qwen/Qwen3-32B"
    assert "too large" in lines[0]
    assert any(line.startswith("Qwen/Qwen3-32B-AWQ ") and "fits" in line for line in lines)
    assert any(line.startswith("org/qwen3-32b ") and line.endswith("on the Hub") for line in lines)
    assert "\x1b" not in ran.out


def test_programs_read_json(run: Run) -> None:
    rows = json.loads(run("models", "search", "qwen3-32b", "--gpu", "H100 80GB", "--json").out)
    assert rows[0] == {"model_id": "Qwen/Qwen3-32B", "where": "known", "fits": True}
    assert rows[-1]["fits"] is None


def test_an_unreachable_hub_is_a_note(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(text: str) -> Sequence[Found]:
        raise Refusal("the Hub cannot be reached")

    monkeypatch.setattr("wizard_tui.models.search.search_hub", refuses)
    ran = run("models", "search", "qwen3-32b", "--gpu", "H100 80GB")
    assert ran.code == 0
    assert "Qwen/Qwen3-32B" in ran.out
    assert "note: the Hub cannot be reached" in ran.err
    nothing = run("models", "search", "no-such-model", "--gpu", "H100 80GB")
    assert nothing.code == 2
    assert "no model has 'no-such-model' in its name" in nothing.err


def test_show_says_what_is_known(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    ran = run("models", "show", str(tmp_path))
    assert ran.code == 0
    assert "parameters           8,030,261,248" in ran.out.splitlines()
    facts = json.loads(run("models", "show", str(tmp_path), "--json").out)
    assert (facts["layers"], facts["source"], facts["experts"]) == (32, "config", None)


def test_show_says_in_one_sentence_what_it_cannot_read(run: Run, tmp_path: Path) -> None:
    ran = run("models", "show", str(tmp_path / "nothing"))
    assert ran.code == 2
    assert "does not exist" in ran.err
    assert ran.err.count("\n") == 1
