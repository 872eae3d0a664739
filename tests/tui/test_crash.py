"""A fault of this program: one sentence, exit code 70, a private file without what the user gave, and the session."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.on_a_line import Line, processes, state, until
from tools.bench import environment
from wizard_tui import cli
from wizard_tui.cli import commands
from wizard_tui.tui import crash

TOKEN = "hf_" + "a1B2c3D4e5F6g7H8i9" * 2
# a wizard in which our code raises; the message holds what was typed, as ours may
FAULTY = """
import asyncio, sys
HOW = sys.argv.pop()
from wizard_tui import cli
from wizard_tui.tui import app
from wizard_tui.tui.screens import wizard
from wizard_tui.tui.widgets import welcome

def fail(*arguments, **more):
    local_variable = "a-local-secret"
    raise ValueError(f"what went wrong: {message()}")

def message():
    texts = apps[0].session.texts if apps and apps[0].begun else {}
    return [text for text in texts.values() if text] + [TOKEN]

apps = []
first = app.WizardApp.__init__
def noted(self, *arguments, **more):
    first(self, *arguments, **more)
    apps.append(self)
app.WizardApp.__init__ = noted
TOKEN = "the token"

async def in_a_worker():
    fail()

async def action_plots(self):
    ways = {
        "action": fail,
        "worker": lambda: self.run_worker(in_a_worker()),
        "timer": lambda: self.set_timer(0.01, fail),
        "callback": lambda: asyncio.get_running_loop().call_soon(fail),
        "thread": lambda: self.run_worker(fail, thread=True),
        "input": lambda: (setattr(apps[0]._driver, "process_message", fail), self.app.notify("now it fails")),
    }
    ways[HOW]()

wizard.WizardScreen.action_plots = action_plots
if HOW == "compose":
    welcome.Welcome.compose = fail
if HOW == "start":
    app.WizardApp.on_mount = fail
if HOW == "before":
    app.WizardApp.get_driver_class = fail
if HOW == "GPUs":
    from wizard_tui.hardware import detect
    detect.detect = fail
if HOW == "session":
    app.Keeper.new_session = fail
cli.main()
""".replace("the token", TOKEN)
IN_USE = ("action", "worker", "timer", "callback", "thread", "input")
AT_THE_START = ("compose", "start", "before", "session", "GPUs")


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[list[Line]]:
    opened: list[Line] = []
    yield opened
    for line in opened:
        line.close()


def crash_files(home: Path) -> list[Path]:
    return sorted((state(home) / "crashes").glob("*"))


@pytest.mark.parametrize("how", IN_USE)
def test_a_fault_while_it_is_used_ends_in_one_sentence(tmp_path: Path, lines: list[Line], how: str) -> None:
    line = Line([sys.executable, "-c", FAULTY, how], tmp_path, MY_VARIABLE="variable-of-mine")
    lines.append(line)
    line.until(lambda text: "Enter goes on" in text)
    line.type(b"\r")
    line.until(lambda text: "max model len" in text)
    line.type(b"\t4321")
    line.until(lambda text: "4321" in text)
    line.type(b"\x07")
    if how == "input":
        # fails at the next key
        line.until(lambda text: "now it fails" in text)
        line.type(b"x")
    assert line.ended() == 70
    assert not processes(tmp_path)
    (file,) = crash_files(tmp_path)
    assert line.behind == (
        "vllm-wizard-tui: a fault of this program, not of yours: ValueError. What you typed is kept; run it again to go"
        f" on. Please report it with {file}."
    )
    text = file.read_text()
    assert "step: model" in text
    assert "ValueError: " in text
    for private in (TOKEN, "4321", "Qwen3-8B", "a-local-secret", "variable-of-mine"):
        assert private not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700

    again = Line([sys.executable, "-m", "wizard_tui"], tmp_path)
    lines.append(again)
    again.until(lambda text: "at step Model" in text)
    again.type(b"\r")
    again.until(lambda text: "4321" in text)


@pytest.mark.parametrize("how", AT_THE_START)
def test_a_fault_before_the_first_key_ends_in_one_sentence(tmp_path: Path, lines: list[Line], how: str) -> None:
    line = Line([sys.executable, "-c", FAULTY, how], tmp_path)
    lines.append(line)
    assert line.ended() == 70
    assert line.behind.startswith("vllm-wizard-tui: a fault of this program, not of yours: ValueError.")
    (file,) = crash_files(tmp_path)
    assert TOKEN not in file.read_text()
    assert "in fail" in file.read_text(), "the line that failed is named"


def test_a_fault_while_ending_does_not_keep_a_wizard_without_a_terminal(tmp_path: Path, lines: list[Line]) -> None:
    script = FAULTY.replace("cli.main()", "app.WizardApp._end = fail; cli.main()")
    line = Line([sys.executable, "-c", script, "none"], tmp_path)
    lines.append(line)
    line.until(lambda text: "Enter goes on" in text)
    line.cut()
    until(lambda: processes(tmp_path) == [])
    # as a fault, or at the end of the time that it has
    assert line.ended() in (70, 129)


# without a screen


def fault(*arguments: object) -> int:
    local_variable = f"{TOKEN} and {sys.argv[-1]}"
    raise KeyError(local_variable)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    return tmp_path


def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    row = commands.ROOT.commands["detect"]._replace(work=fault, options=None)
    monkeypatch.setattr(commands, "ROOT", commands.ROOT._replace(commands={"detect": row}))
    monkeypatch.setattr(sys, "argv", ["vllm-wizard-tui", "detect", "--model=org/secret-model"])


def test_a_failing_command_prints_one_sentence_and_keeps_the_rest(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty(monkeypatch)
    assert cli.run(["detect"]) == os.EX_SOFTWARE
    (file,) = crash_files(home)
    captured = capsys.readouterr()
    assert captured.err == (
        f"vllm-wizard-tui: a fault of this program, not of yours: KeyError. Please report it with {file}.\n"
    )
    assert captured.out == ""
    text = file.read_text()
    assert "in fault" in text
    assert not any(private in text for private in (TOKEN, "secret-model"))


def test_the_traceback_is_printed_when_no_file_can_be_written(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/nowhere")
    faulty(monkeypatch)
    assert cli.run(["detect"]) == os.EX_SOFTWARE
    told = capsys.readouterr().err
    assert "in fault" in told
    assert told.endswith("KeyError. Please report it with the lines above.\n")
    assert TOKEN not in told


def test_only_the_last_few_files_are_kept(home: Path) -> None:
    for number in range(crash.MOST_FILES + 3):
        crash.report(ValueError(f"number {number}"))
    files = crash_files(home)
    assert len(files) == crash.MOST_FILES
    assert any(f"number {crash.MOST_FILES + 2}" in file.read_text() for file in files)


@pytest.mark.parametrize(
    ("message", "private"),
    [
        # what looks like a key, whoever gave it
        ("https://me:SECRETSECRET@hub.example/x", ""),
        ("Bearer SECRETSECRET", ""),
        ("HF_TOKEN=SECRETSECRET", ""),
        ("password: SECRETSECRET", ""),
        ("sk-SECRETSECRET", ""),
        ("https://hub.example/x?token=SECRETSECRET", ""),
        ("SECRETSECRET4711SECRETSECRET", ""),
        # what is quoted
        ("no 'SECRETSECRET' here, and it can't be", ""),
        ('no "it\'s SECRETSECRET" here', ""),
        # what was typed, and a part of it
        ("the field holds my own SECRETSECRET", "my own SECRETSECRET"),
        ("not /SECRETSECRET/x", "org/SECRETSECRET"),
        # half of a key must not be kept because the rest was cut off
        ("x" * 5000 + " SECRETSECRET", ""),
    ],
)
def test_no_secret_in_a_message_reaches_the_text(message: str, private: str) -> None:
    assert "SECRETSECRET" not in crash.described(ValueError(message), private=[private])


def test_quoted_text_is_kept_when_it_is_a_word_of_the_code() -> None:
    def attribute(row: object, key: str) -> None:
        assert row.wrong_name or key  # type: ignore[attr-defined]

    def lookup(row: dict[str, str], key: str) -> None:
        assert row[key]

    def told(call: Callable[..., None], row: object) -> str:
        try:
            call(row, "typed-by-somebody")
        except Exception as error:
            return crash.described(error).splitlines()[-1]
        raise AssertionError

    assert told(attribute, 1).endswith("object has no attribute 'wrong_name'")
    assert told(lookup, {}) == "builtins.KeyError: (17 characters)"


def test_the_causes_of_an_error_are_told_too_and_once() -> None:
    loop = ValueError("the first")
    try:
        try:
            raise loop
        except ValueError as error:
            raise TypeError("the second") from error
    except TypeError as error:
        loop.__cause__ = error
        text = crash.described(error)
    assert text.index("TypeError: the second") < text.index("which came from") < text.index("ValueError: the first")
    assert text.count("the second") == text.count('raise TypeError("the second")') + 1


def test_an_error_that_cannot_be_shown_causes_no_second_fault(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert crash.report(MuteError()) == os.EX_SOFTWARE
    assert "MuteError" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("closing", "code"), [(">&-", 2), ("<&-", 0), ("2>&-", 0), ("<&- 2>&-", 0), ("<&- >&- 2>&-", 2)]
)
@pytest.mark.parametrize("line", ["plan -m Qwen/Qwen3-8B --gpu H100", "plan -m Qwen/Qwen3-8B --gpu H100 --json"])
def test_closed_streams_cause_no_fault(tmp_path: Path, closing: str, code: int, line: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m wizard_tui {line} {closing}"],
        env=environment(str(tmp_path)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert crash_files(tmp_path) == []
    if ">&-" in closing.split():
        assert done.stderr in ("", "vllm-wizard-tui: stdout is closed; send it to a file, or to /dev/null\n")
    else:
        assert "vllm serve" in done.stdout or "serve_command" in done.stdout


@pytest.mark.parametrize("closing", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
def test_the_wizard_on_closed_streams_says_so(tmp_path: Path, closing: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {sys.executable} -m wizard_tui {closing}"],
        env=environment(str(tmp_path)), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert crash_files(tmp_path) == []


def test_the_wizard_draws_where_stderr_is_closed(tmp_path: Path, lines: list[Line]) -> None:
    line = Line(["sh", "-c", f"exec {sys.executable} -m wizard_tui 2>&-"], tmp_path)
    lines.append(line)
    line.until(lambda text: "Enter goes on" in text)
    line.type(b"\x1b[21~")
    assert line.ended() == 0
