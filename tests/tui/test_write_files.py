"""Writing files from the wizard."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.conftest import Run
from tests.tui.conftest import opened, settled, text_of, typed
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_enter_writes_everything_and_says_so(here: Path) -> None:
    async with opened() as pilot:
        await pilot.press("f9")
        assert "serve.sh" in text_of(pilot, "#write-lines")
        await pilot.press("enter")
        await settled(pilot)
        assert not pilot.app.screen.query("#directory")
        assert any("written to vllm-deploy" in note.message for note in pilot.app._notifications)
    names = {path.name for path in (here / "vllm-deploy").iterdir()}
    assert {"serve.sh", "docker-compose.yaml", "k8s.yaml", "profile.yaml", "plan.json"} <= names


async def test_escape_writes_nothing(here: Path) -> None:
    async with opened() as pilot:
        await pilot.press("f9", "escape")
        await settled(pilot)
    assert not list(here.iterdir())


async def test_a_file_changed_by_hand_is_shown_and_replaced_only_after_a_second_enter(here: Path) -> None:
    script = here / "vllm-deploy" / "serve.sh"
    script.parent.mkdir()
    script.write_text("my own line\n")
    async with opened() as pilot:
        await pilot.press("f9", "enter")
        await settled(pilot)
        assert "-my own line" in text_of(pilot, "#write-lines")
        assert script.read_text() == "my own line\n"
        await pilot.press("enter")
        await settled(pilot)
    assert "vllm serve" in script.read_text()


async def test_an_impossible_directory_is_reported_and_the_typed_text_stays(here: Path) -> None:
    (here / "file").write_text("")
    async with opened() as pilot:
        await pilot.press("f9", "ctrl+u")
        await typed(pilot, "file")
        await pilot.press("enter")
        assert "is not a directory" in text_of(pilot, "#write-lines")
        assert pilot.app.screen.query_one("#directory", Input).value == "file"


async def test_an_unknown_artifact_is_named(here: Path) -> None:
    async with opened() as pilot:
        await pilot.press("f9", "tab", "ctrl+u")
        await typed(pilot, "serv")
        assert "did you mean serve?" in text_of(pilot, "#write-lines")


async def test_the_written_profile_makes_the_same_files_without_a_screen(here: Path, run: Run, models: Path) -> None:
    session = Session()
    session.set({"model.model": str(models / "llama-8b"), "hardware.gpu": "H100", "workload.concurrency": "4"})
    app = WizardApp(session, sources=Sources(detect=Detection))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await pilot.press("f9", "enter")
        await settled(pilot)
    ran = run("generate", "-p", here / "vllm-deploy" / "profile.yaml", "-o", here / "again")
    assert ran.code == 0, ran.err
    by_screen, by_line = (
        {path.name: path.read_bytes() for path in (here / name).iterdir()} for name in ("vllm-deploy", "again")
    )
    assert by_screen == by_line
