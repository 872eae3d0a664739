"""Pages that a new user reads, and the answers to a mistake on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest

from tests.conftest import Run
from wizard_tui.cli.commands import ROOT
from wizard_tui.cli.options import option_of
from wizard_tui.cli.parser import Command, parsed
from wizard_tui.launch.ways import WAYS
from wizard_tui.schemas.fields import request_fields


def every(command: Command, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    yield words, command
    for name, below in command.commands.items():
        yield from every(below, (*words, name))


PAGES = dict(every(ROOT))
PLANNING = [words for words, command in PAGES.items() if command.work.__name__ in ("plan", "generate", "launch")]


@pytest.fixture(autouse=True)
def _columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_a_page_reads_at_80_columns_and_names_what_is_below(run: Run, words: tuple[str, ...]) -> None:
    ran = run(*words, "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith(f"usage: {' '.join(('vllm-wizard-tui', *words))} [OPTIONS]")
    assert max(map(len, ran.out.splitlines())) <= 80
    assert run(*words, "-h").out == ran.out
    for name, below in PAGES[words].commands.items():
        assert f"\n  {name} " in ran.out
        assert f"\n{below.heading}:\n" in ran.out


@pytest.mark.parametrize("words", PLANNING, ids=" ".join)
def test_options_stand_in_full_whatever_their_length(run: Run, words: tuple[str, ...]) -> None:
    page = run(*words, "--help").out.replace(",", " ").split()
    assert [path for path in request_fields() if option_of(path) not in page] == []


@pytest.mark.parametrize(
    "line",
    [line for command in PAGES.values() for line in command.examples if not {"completion", "--help"} & {*line.split()}],
)
def test_an_example_is_a_command_line_that_is_understood(line: str) -> None:
    words = shlex.split(line.partition("    ")[0])
    start = words.index("vllm-wizard-tui")
    end = next((place for place, word in enumerate(words) if place > start and word in ("|", ">", "2>&1")), len(words))
    assert parsed(ROOT, "vllm-wizard-tui", words[start + 1 : end]).work.__doc__


def test_the_ways_to_start_are_all_named(run: Run) -> None:
    page = " ".join(run("launch", "--help").out.split())
    *others, last = WAYS
    assert f"{', '.join(others)} or {last}" in page


def test_exit_codes_are_documented(run: Run) -> None:
    page = " ".join(run("--help").out.split())
    for code in ("0 done", "1 a check failed", "2 the input cannot be used", "70 a fault of", "130 interrupted"):
        assert code in page


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("plna", "there is no command plna; did you mean plan?"),
        ("models serach qwen", "there is no command serach; did you mean search?"),
        ("models", "search or show"),
        ("calibration", "show or clear"),
        ("plan --concurency 2", "there is no option --concurency; did you mean --concurrency?"),
        ("plan -m x y", "'y' is one word too many"),
        ("plan --gpu", "--gpu needs a value"),
        ("plan --max-model 8", "there is no option --max-model; did you mean --max-model-len?"),
        ("plan -m x --api-key=Zq9", "there is no option --api-key; did you mean --api-key-env?"),
        ("plan -m x --api-key Zq9", "there is no option --api-key; did you mean --api-key-env?"),
        ("verify --api-key Zq9 x.log", "there is no option --api-key; did you mean --api-key-env?"),
        ("--api-key Zq9 plan -m x", "a command must come first"),
        ("--token=Zq9", "there is no option --token; see --help"),
        ("plan -kZq9 -m x", "there is no option -k; see --help"),
        ("plan -m x --json=Zq9", "--json takes no value"),
        ("servers stop https://me:Zq9@box/a?t=Zq9", "no server 'https://box/a' that was started from here runs"),
        ("doctor --way hf_Zq9abcdefghijklmnopqrstuvwxyz", "not ***"),
        ("models search x --gpus none", "must be a number from 1 on, not 'none'"),
        ("servers stop", "required: name"),
        ("completion tcsh", "'bash'"),
        ("--vresion", "there is no option --vresion; did you mean --version?"),
    ],
)
def test_a_typing_error_is_one_sentence_with_the_word_meant(run: Run, typed: str, said: str) -> None:
    ran = run(*typed.split())
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert "Zq9" not in ran.err, "a key is not shown"
    assert ran.err.count("\n") == 1


def test_the_version_is_that_of_the_package(run: Run) -> None:
    from wizard_tui import __version__

    assert run("--version").out == f"vllm-wizard-tui {__version__}\n"
