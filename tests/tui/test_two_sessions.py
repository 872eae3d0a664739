"""Several earlier sessions: each is offered until somebody continues it, and none loses another."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
from datetime import datetime
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.conftest import opened, picture, settled, text_of, until
from tests.tui.on_a_line import WIZARD, Line, state
from wizard_tui import files
from wizard_tui.tui import app as app_module
from wizard_tui.tui import state_file
from wizard_tui.tui.left import Left
from wizard_tui.tui.session import Session
from wizard_tui.tui.state_file import KEPT_AT_LEAST, StateFile
from wizard_tui.tui.steps.order import all_steps
from wizard_tui.tui.widgets.welcome import OTHERS

AT = 1_700_000_000
CONCURRENCY = "workload.concurrency"


def leave(folder: Path, name: str, concurrency: str, *, step: str = "workload", age_s: int = 0) -> None:
    """A session of a wizard that no longer runs."""
    session = Session()
    session.set({"model.model": "llama-8b", CONCURRENCY: concurrency})
    session.step = step
    (folder / f"{name}.json").write_text(json.dumps(session.saved()))
    os.utime(folder / f"{name}.json", (AT - age_s,) * 2)


def on_disk(folder: Path) -> set[str]:
    """What was typed, in all sessions on disk."""
    saved = [json.loads(path.read_text())["fields"] for path in folder.glob("*.json")]
    return {fields.get(CONCURRENCY, [""])[0] for fields in saved}


def session_of(pilot: Pilot[str]) -> Session:
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    return session


def welcome(pilot: Pilot[str]) -> str:
    return text_of(pilot, "#welcome-lines")


async def test_enter_goes_on_with_the_newest_and_a_letter_with_another(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    leave(tmp_path, "old", "8", step="policy", age_s=3600)
    async with opened(state=tmp_path, resume=True) as pilot:
        assert re.search(r"at step Workload.*\n.*llama-8b\nEnter continues there", welcome(pilot))
        assert re.search(r"Left before\n a  .* Policy +llama-8b", welcome(pilot))
        await pilot.press("enter")
        await settled(pilot)
        assert session_of(pilot).step == "workload"
        assert session_of(pilot).texts[CONCURRENCY] == "7"
    async with opened(state=tmp_path, resume=True) as pilot:
        # the first wizard's own session is held by this process
        await pilot.press("enter")
        await settled(pilot)
        assert session_of(pilot).step == "policy"
        assert session_of(pilot).texts[CONCURRENCY] == "8"


async def test_a_letter_goes_on_with_that_one_and_the_newest_is_offered_again(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    leave(tmp_path, "old", "8", age_s=3600)
    async with opened(state=tmp_path, resume=True) as pilot:
        await pilot.press("a")
        await settled(pilot)
        assert session_of(pilot).step == "workload"
        assert pilot.app.screen.query_one("#workload-concurrency", Input).value == "8"
        pilot.app.action_leave()  # type: ignore[attr-defined]
    assert not (tmp_path / "old.json").exists(), "its successor is on disk"
    assert on_disk(tmp_path) == {"7", "8"}
    async with opened(state=tmp_path, resume=True) as pilot:
        assert session_of(pilot).texts[CONCURRENCY] == "7"


async def test_typed_text_stays_when_another_session_is_continued(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    leave(tmp_path, "old", "8", age_s=3600)
    async with opened(state=tmp_path, resume=True) as pilot:
        await pilot.press("enter")
        await settled(pilot)
        session_of(pilot).set({CONCURRENCY: "77"})
        await pilot.press(*["ctrl+o"] * 3)
        await settled(pilot)
        await pilot.press("a")
        await settled(pilot)
        assert session_of(pilot).texts[CONCURRENCY] == "8"
        assert on_disk(tmp_path) >= {"77", "8"}
        await pilot.press(*["ctrl+o"] * 3)
        await settled(pilot)
        assert "Left before" in welcome(pilot)
        await pilot.press("a")
        await settled(pilot)
        assert session_of(pilot).texts[CONCURRENCY] == "77", "and it can be gone back to"
    assert on_disk(tmp_path) == {"77", "8"}


async def test_starting_anew_keeps_the_session_and_names_it(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    async with opened(state=tmp_path, resume=True) as pilot:
        assert "starts anew, keeping it" in welcome(pilot)
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert re.search(r"Left before\n a  ", welcome(pilot))
        session_of(pilot).set({CONCURRENCY: "5"})
        await pilot.press("ctrl+n")
        pilot.app.action_leave()  # type: ignore[attr-defined]
    assert on_disk(tmp_path) == {"5", "7"}


async def test_an_offer_that_nobody_took_is_left_as_it_is(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    async with opened(state=tmp_path, resume=True) as pilot:
        pilot.app.action_leave()  # type: ignore[attr-defined]
    assert [path.name for path in tmp_path.glob("*.json")] == ["new.json"]


async def test_a_wizard_in_which_nothing_was_done_leaves_no_session(tmp_path: Path) -> None:
    async with opened(state=tmp_path, resume=True) as pilot:
        pilot.app.action_leave()  # type: ignore[attr-defined]
    assert list(tmp_path.glob("*.json")) == []


async def test_a_session_offered_by_one_wizard_is_offered_by_no_other(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    leave(tmp_path, "old", "8", age_s=3600)
    async with opened(state=tmp_path, resume=True) as first:
        shown = welcome(first)
        second = app_module.WizardApp(state_file=StateFile(tmp_path)).session
        assert session_of(first).texts[CONCURRENCY] == "7"
        assert second.texts[CONCURRENCY] == "8"
        assert "Left before" in shown
        # the one that the other wizard has by now
        await first.press("a")
        await settled(first)
        assert session_of(first).step == "welcome"
        await first.press("enter")
        await settled(first)
        assert session_of(first).texts[CONCURRENCY] == "7", "and its own is still there"


async def test_a_few_sessions_are_named_and_the_others_counted(tmp_path: Path) -> None:
    for number in range(6):
        leave(tmp_path, str(number), str(number), age_s=number)
    async with opened(state=tmp_path, resume=True) as pilot:
        assert f"and {5 - len(OTHERS)} more" in welcome(pilot)
        assert all(f"\n {letter}  " in welcome(pilot) for letter in OTHERS)
    assert len(list(tmp_path.glob("*.json"))) == 6
    assert KEPT_AT_LEAST >= 6


async def test_a_click_on_a_line_goes_on_with_it(tmp_path: Path) -> None:
    leave(tmp_path, "new", "7")
    leave(tmp_path, "old", "8", age_s=3600)
    async with opened(state=tmp_path, resume=True) as pilot:
        row = welcome(pilot).splitlines().index(next(x for x in welcome(pilot).splitlines() if x.startswith(" a ")))
        await pilot.click("#welcome-lines", offset=(5, row))
        await settled(pilot)
        assert session_of(pilot).texts[CONCURRENCY] == "8"


@pytest.mark.parametrize("saved", [{"version": 2, "fields": {}}, {"version": 1}, {"version": 1, "fields": []}])
async def test_a_session_of_another_version_does_not_block_the_offer(tmp_path: Path, saved: object) -> None:
    (tmp_path / "later.json").write_text(json.dumps(saved))
    leave(tmp_path, "old", "8", age_s=10)
    async with opened(state=tmp_path, resume=True) as pilot:
        assert session_of(pilot).texts[CONCURRENCY] == "8"
        assert "Left before" not in welcome(pilot)
    assert (tmp_path / "later.json").exists()


def test_a_session_that_holds_nonsense() -> None:
    at = datetime.fromtimestamp(AT)
    for step, row in (("nowhere", None), ("welcome", []), ("model", [1]), (None, "text")):
        left = Left.of({"version": 1, "step": step, "fields": {"model.model": row}}, at)
        assert left.model == ""
        assert all_steps().behind_the_first(left.step).name == "model"


# what cannot be saved


def full(path: Path, text: str) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_full_disk_is_reported_at_once_retried_and_then_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_module, "RETRY_S", 0.05)
    async with opened(state=tmp_path) as pilot:
        assert "Not saved" not in picture(pilot)
        monkeypatch.setattr(state_file, "replace_file", full)
        await pilot.press("enter")
        session_of(pilot).set({CONCURRENCY: "9"})
        pilot.app._save()  # type: ignore[attr-defined]
        await until(pilot, lambda: "Not saved: the disk is full; make room where" in picture(pilot))
        assert "only while this window is open; trying again." in " ".join(picture(pilot).split())
        monkeypatch.undo()
        # without a further key
        await until(pilot, lambda: "Not saved" not in picture(pilot))
        assert on_disk(tmp_path) == {"9"}


@pytest.mark.parametrize("size", [(120, 36), (80, 24), (60, 16)])
async def test_an_unwritable_folder_is_reported_before_a_key_is_pressed(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "file").touch()
    async with opened(size, state=tmp_path / "file" / "sessions", resume=True) as pilot:
        await until(pilot, lambda: "Not saved:" in picture(pilot))
        assert "set XDG_STATE_HOME" in re.sub(r"\s+", " ", picture(pilot))


async def test_a_user_without_a_home_is_told(tmp_path: Path) -> None:
    async with opened(state=files.NOWHERE / "program" / "sessions", resume=True) as pilot:
        await until(pilot, lambda: "Not saved: this user has no home directory" in picture(pilot))


async def test_another_session_is_not_taken_when_this_one_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(tmp_path, "new", "7")
    async with opened(state=tmp_path, resume=True) as pilot:
        await pilot.press("ctrl+l")
        session_of(pilot).set({CONCURRENCY: "5"})
        monkeypatch.setattr(state_file, "replace_file", full)
        await pilot.press("a")
        await settled(pilot)
        assert session_of(pilot).texts[CONCURRENCY] == "5"


# on a terminal


def wait_for_start(line: Line) -> None:
    line.until(lambda text: "Enter goes on" in text or "Enter continues" in text)


def typed(line: Line, length: bytes) -> None:
    line.type(b"\r")
    line.until(lambda text: "max model len" in text)
    line.type(b"\t" + length)
    line.until(lambda text: length.decode() in text)


def test_two_wizards_that_are_cut_off_at_once_are_both_offered(tmp_path: Path) -> None:
    lines = [Line(WIZARD, tmp_path) for _ in range(2)]
    try:
        for line, length in zip(lines, (b"4321", b"8765"), strict=True):
            wait_for_start(line)
            typed(line, length)
        for line in lines:
            line.cut()
        for line in lines:
            assert line.ended() == 128 + signal.SIGHUP
        shown = []
        for _ in range(2):
            lines.append(Line(WIZARD, tmp_path))
            lines[-1].until(lambda text: "Enter continues" in text)
            lines[-1].type(b"\r")
            lines[-1].until(lambda text: "4321" in text or "8765" in text)
            shown += re.findall("4321|8765", lines[-1].text)[:1]
        assert sorted(shown) == ["4321", "8765"], "two wizards have one each"
    finally:
        for line in lines:
            line.close()


def test_a_failed_save_is_reported_after_the_command(tmp_path: Path) -> None:
    state(tmp_path).mkdir(parents=True)
    (state(tmp_path) / "sessions").write_text("a file where the folder should be")
    line = Line(WIZARD, tmp_path)
    try:
        line.until(lambda text: "Not saved:" in text)
        wait_for_start(line)
        typed(line, b"4321")
        line.until(lambda text: "vllm serve" in text)
        line.type(b"\x1b[21~")
        assert line.ended() == 0
        assert line.text.index("vllm serve") < line.text.index("vllm-wizard-tui: What you typed is not saved: ")
    finally:
        line.close()
