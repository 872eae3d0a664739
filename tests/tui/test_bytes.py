"""What each key and click sends on every step, counted on a real pty at 120 x 36: no more than what it changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.test_wire import BACK, NEXT, TAB, WIPE, wizard
from tools.terminal import Terminal
from wizard_tui.tui.widgets.line_view import Line, _differences

BACK_TAB = b"\x1b[Z"
STEPS = ("Welcome", "Model", "Hardware", "Workload", "Policy", "Review", "Launch")
FORM_COLUMNS, PANEL_COLUMN, HELP_ROW = 53, 56, 33

COLUMNS = 40
span = st.tuples(st.text("ab 界世█", max_size=30), st.sampled_from(["", "dim", "good", "bad-badge"]))
drawn_line = st.lists(span, max_size=3).map(tuple)


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    with wizard(tmp_path_factory.mktemp("home")) as opened:
        yield opened


def go(terminal: Terminal, step: str) -> None:
    """Go to a step by keys, from wherever the wizard is."""
    at_step = next(index for index, name in enumerate(STEPS) if f"{name}]" in terminal.text)
    by = STEPS.index(step) - at_step
    for _ in range(abs(by)):
        terminal.press(NEXT if by > 0 else BACK)
    assert f"[{STEPS.index(step) + 1} {step}]" in terminal.text


def sent(terminal: Terminal, keys: bytes) -> int:
    return terminal.press(keys).bytes_written


def at(column: int, row: int) -> bytes:
    """A click on a cell, both counted from 0."""
    return f"\x1b[<0;{column + 1};{row + 1}M\x1b[<0;{column + 1};{row + 1}m".encode()


def on(terminal: Terminal, words: str, first_column: int = 0) -> bytes:
    """A click on the first place that shows these words."""
    for row, line in enumerate(terminal.text.splitlines()):
        if (column := line.find(words, first_column)) >= 0:
            return at(column + len(words) // 2, row)
    raise AssertionError(f"{words} is not on screen:\n{terminal.text}")


@pytest.mark.parametrize("step", STEPS)
def test_tab_sends_at_most_600_bytes(terminal: Terminal, step: str) -> None:
    go(terminal, step)
    tabs = [sent(terminal, key) for key in (TAB,) * 5 + (BACK_TAB,) * 5]
    assert max(tabs) <= 600
    assert min(tabs) > 0 or step == "Launch", "there is nothing else to go to"


@pytest.mark.parametrize("step", STEPS)
def test_a_click_on_empty_space_sends_nothing(terminal: Terminal, step: str) -> None:
    go(terminal, step)
    lines = terminal.text.splitlines()[:HELP_ROW]
    places = [at(20, row) for row, line in enumerate(lines) if not line[:FORM_COLUMNS].strip()]
    # between the panels; below, the preview takes the focus
    places += [at(80, row) for row, line in enumerate(lines[:8]) if not line[PANEL_COLUMN:].strip()]
    assert len(places) >= 2
    assert [sent(terminal, place) for place in places[:2] + places[-1:]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("step", "label", "value"),
    [
        ("Model", "max model len", "auto"),
        ("Hardware", "which GPUs", "auto"),
        ("Workload", "answer tokens", "256"),
        ("Policy", "port", "8000"),
    ],
)
def test_a_click_on_a_label_or_a_field_sends_at_most_600_bytes(
    terminal: Terminal, step: str, label: str, value: str
) -> None:
    go(terminal, step)
    for place in (label, value):
        assert 0 < sent(terminal, on(terminal, place)) <= 600
        assert f"› {label}" in terminal.text
        terminal.press(BACK_TAB)


def test_a_click_on_a_step_a_model_or_a_tab_sends_what_it_changes(terminal: Terminal) -> None:
    go(terminal, "Welcome")
    for step in (*STEPS[1:5], STEPS[0]):
        assert 0 < sent(terminal, on(terminal, step)) <= 10_000
    for model in ("Qwen/Qwen3-14B", "openai/gpt-oss-20b", "Qwen/Qwen3-32B"):
        before = terminal.bytes_written
        terminal.press(on(terminal, f" {model} "))
        terminal.wait_for(lambda text, model=model: f"vllm serve {model} " in text)  # type: ignore[misc]
        terminal.settle()
        assert terminal.bytes_written - before <= 5_000
    for tab in ("k8s", "serve"):
        assert 0 < sent(terminal, on(terminal, f" {tab} ", PANEL_COLUMN)) <= 5_000


# Each row of digits turns the verdict from OK to NO and makes the field wrong and right again. One that does changes
# verdict, bar, figures and three offers: 700 bytes of text. For prompt tokens and utilization a flag comes or goes too,
# which moves the lines of the preview, and a field that turns right with the same key has its help back.
DIGITS = {
    "max model len": ("Model", ("131072", "999999", "0", "51231", "4096"), 1_000),
    "concurrency": ("Workload", ("100", "2560", "0", "64"), 1_000),
    "prompt tokens": ("Workload", ("512", "51231", "0", "20480"), 1_200),
    "utilization": ("Policy", ("0.5", "0.95", "1.5", "0.05"), 1_550),
}


@pytest.mark.parametrize("label", DIGITS)
def test_a_digit_sends_at_most_1000_bytes_and_more_where_it_rewrites_the_command(
    terminal: Terminal, label: str
) -> None:
    step, texts, most_at_a_turn = DIGITS[label]
    turns, others = digits(terminal, step, label, texts)
    assert max(others.values()) <= 1_000, others
    assert 0 < max(turns.values()) <= most_at_a_turn, turns


def test_a_number_of_gpus_sends_what_it_changes(terminal: Terminal) -> None:
    turns, others = digits(terminal, "Hardware", "GPUs", ("2", "0", "1"))
    # all figures change, but the verdict stays
    assert max(*turns.values(), *others.values()) <= 1_000
    # and here GPUs that stay idle have a bar of their own
    turns, others = digits(terminal, "Hardware", "GPUs", ("4",))
    assert others["4"] <= 1_550


def digits(terminal: Terminal, step: str, label: str, texts: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes of each digit: those that turn the verdict, and the others."""
    go(terminal, step)
    row = next(row for row, line in enumerate(terminal.text.splitlines()) if line[3:21].strip() == label and row > 1)
    terminal.press(at(5, row))
    # what was laid out while its step was hidden is painted once more with the first key
    terminal.press(b"1")
    turns: dict[str, int] = {}
    others: dict[str, int] = {}
    for text in texts:
        terminal.press(WIPE)
        for end in range(len(text)):
            before = verdict(terminal)
            count = sent(terminal, text[end : end + 1].encode())
            (others if verdict(terminal) == before else turns)[text[: end + 1]] = count
    terminal.press(WIPE)
    return turns, others


def verdict(terminal: Terminal) -> str:
    """The word of the badge, and whether the plan is that of the fields."""
    rows = [line[PANEL_COLUMN:] for line in terminal.text.splitlines()[6:12]]
    (word,) = (word for word in ("OK", "TIGHT", "NO") if any(row.startswith(f" {word} ") for row in rows))
    return word + (" stale" if any("not applied" in row for row in rows) else "")


@given(drawn_line, drawn_line)
@settings(derandomize=True)
def test_cells_that_are_not_sent_again_look_alike(before: Line, after: Line) -> None:
    stretches = _differences(before, after, COLUMNS)
    old, new = seen(before), seen(after)
    sent_again = {column for start, end in stretches for column in range(start, end)}
    assert all(old[column] == new[column] for column in set(range(COLUMNS)) - sent_again)
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(stretches))


def seen(line: Line) -> list[tuple[str, str]]:
    """What stands in each column, counted by hand."""
    cells: list[tuple[str, str]] = []
    for text, style in line:
        for char in text:
            cells += [(char, style if char != " " or style.endswith("badge") else "")] + [("", "")] * (char in "界世")
    return (cells + [(" ", "")] * COLUMNS)[:COLUMNS]
