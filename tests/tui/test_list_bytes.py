"""The menu and the search on a real pty: what a letter sends, and keys that come in one write."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.tui.conftest import opened
from tests.tui.test_wire import ENTER, ESCAPE, NEXT, WIPE, wizard
from tools.terminal import Terminal
from wizard_tui.models.search import search_here
from wizard_tui.tui.model_search import SHORTEST
from wizard_tui.tui.palette import MenuProvider

MENU, FIND, F9, DOWN, PAGE_DOWN = b"\x0b", b"\x06", b"\x1b[20~", b"\x1b[B", b"\x1b[6~"
FIRST_ROW, ROWS = 5, 12


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with wizard(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def sent(terminal: Terminal, keys: bytes, reached: Callable[[str], object]) -> int:
    """Bytes until the screen shows what is waited for."""
    before = terminal.bytes_written
    terminal.press(keys, 0)
    terminal.wait_for(lambda text: bool(reached(text)))
    return terminal.bytes_written - before


def shows(names: Sequence[str], *further: str) -> Callable[[str], bool]:
    """Whether a screen shows these offers, from the top, and all of `further`."""
    page = [name[:40] for name in names[:ROWS]]

    def reached(text: str) -> bool:
        rows = [line.strip(" ›") for line in text.splitlines()[FIRST_ROW : FIRST_ROW + ROWS]]
        listed = all(row.startswith(name) for row, name in zip(rows, page, strict=False))
        return listed and not any(rows[len(page) :]) and all(words in text for words in further)

    return reached


async def menu(words: Sequence[str]) -> dict[str, list[str]]:
    """What the menu finds for each beginning of these words."""
    async with opened() as pilot:
        provider = MenuProvider(pilot.app.screen)  # type: ignore[arg-type]
        return {text: [offer.name for offer in provider.offers(text)] for text in beginnings(words)}


def beginnings(words: Sequence[str]) -> list[str]:
    return ["", *(word[: at + 1] for word in words for at in range(len(word)))]


async def test_the_menu_opens_in_9_and_answers_a_letter_in_2_kilobytes(terminal: Terminal) -> None:
    names = await menu(["theme", "lora", "gpu"])
    before, letters = terminal.text, []
    place = f"of {len(names[''])}. Enter takes"
    opening = shows(names[""], place)
    # the last row of the wizard is gone, too
    assert sent(terminal, MENU, lambda text: opening(text) and not text.splitlines()[-1].strip()) <= 9_000
    for text in beginnings(["theme", "lora", "gpu"])[1:]:
        if len(text) == 1:
            sent(terminal, WIPE, opening)
        letters.append(sent(terminal, text[-1:].encode(), shows(names[text], f" {text} ", f"of {len(names[text])}.")))
    assert max(letters) <= 2_000
    assert statistics.median(letters) <= 1_700
    sent(terminal, WIPE, opening)
    assert sent(terminal, DOWN, lambda text: "›" in text.splitlines()[FIRST_ROW + 1]) <= 300, "two rows"
    assert sent(terminal, PAGE_DOWN, shows(names[""][ROWS:], "13 to 24")) <= 2_000
    assert sent(terminal, ESCAPE, lambda text: text == before) <= 15_000


def test_a_letter_of_the_search_sends_at_most_2_kilobytes(terminal: Terminal) -> None:
    before, letters = terminal.text, []
    empty = shows([], "a part of a model's name")
    assert sent(terminal, FIND, lambda text: empty(text) and not text.splitlines()[-1].strip()) <= 9_000
    for text in beginnings(["qwen3 32b", "llama", "gemma"])[1:]:
        if len(text) == 1:
            sent(terminal, WIPE, empty)
        names = [found.model_id for found in search_here(text)]
        # below the list, the answer of the Hub
        foot = f"reached for {text.strip()}" if len(text.strip()) >= SHORTEST else f"of {len(names)}."
        shown = shows(names, f" {text.strip()} ", foot)
        letters.append(sent(terminal, text[-1:].encode(), lambda screen, shown=shown: shown(screen) and marked(screen)))  # type: ignore[misc]
    assert max(letters) <= 2_000
    assert statistics.median(letters) <= 1_000
    assert sent(terminal, ESCAPE, lambda text: text == before) <= 15_000


def marked(text: str) -> bool:
    """Every model of the list says whether it fits."""
    rows = [line for line in text.splitlines()[FIRST_ROW : FIRST_ROW + ROWS] if line.strip()]
    return all("fits, " in line or "too large, " in line for line in rows)


@pytest.mark.parametrize(
    ("keys", "end"),
    [
        (MENU + b"go to work" + ENTER, "[4 Workload]"),
        (MENU + b"find" + ENTER + b"qwen3 14b" + ENTER, "vllm serve Qwen/Qwen3-14B"),
        (MENU + b"write" + ENTER + WIPE + b"there" + ENTER, "files written to there"),
        (MENU + b"words" + ENTER + ENTER + NEXT, "[2 Model]"),
        (FIND + b"qwen3 14b" + ENTER, "vllm serve Qwen/Qwen3-14B"),
        (F9 + WIPE + b"there" + ENTER, "files written to there"),
    ],
)
def test_keys_of_one_write_end_where_they_end_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: bytes, end: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with wizard(tmp_path) as opened:
        opened.press(keys, 0)
        opened.wait_for(lambda text: end in text)
