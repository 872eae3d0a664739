"""Text from outside is shown as it is: brackets are no markup, and no terminal obeys any of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Input

from tests.planning.conftest import CONFIGS
from tests.tui.conftest import opened, picture, settled, text_of, typed, until
from tools.bench import environment
from tools.terminal import Terminal
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.launch.machine import Machine
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.models.search import Found
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.sources import Sources

MARKUP = "[bold red]x[/]"
NASTY = f"{MARKUP}[/][@click=app.exit]y\x1b[2J\x1b]0;title\x07\x9b31m\u202egnirts\u2066\r\n\t\0end]"
# what must never reach a screen
OBEYED = set("\x1b\x07\x9b\u202e\u2066\r\0\t")


def shown_clean(pilot: Pilot[str]) -> str:
    seen = picture(pilot)
    assert not OBEYED & set(seen)
    return seen


def nasty_gpu() -> GPU:
    return replace(get_gpu_by_name("RTX 4090"), name=f"GPU {NASTY}", holders=(NASTY,), used_bytes=1 << 30)


def load(model: str, revision: str | None, params_b: float | None) -> ModelMetadata:
    if model.startswith("refused"):
        raise Refusal(f"{NASTY} is not known")
    return metadata_from_config(CONFIGS["llama-8b"], model_id=f"test/{MARKUP}", source="config")


async def test_no_screen_dialog_or_toast_obeys_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with opened(
        (160, 50), toasts=True, gpus=(nasty_gpu(),), model__model=MARKUP, policy__served_model_name=MARKUP
    ) as pilot:
        wizard = pilot.app.screen
        assert isinstance(wizard, WizardScreen)
        wizard.sources = Sources(
            load_model=load, detect=wizard.sources.detect, look=lambda response, way: Machine(vllm_path=NASTY)
        )
        wizard._reading.ask_model()
        for _ in range(3):
            await settled(pilot)
        assert f"GPU {MARKUP}" in shown_clean(pilot), "Welcome"
        for step in ("model", "hardware", "workload", "policy", "review", "launch"):
            await wizard.go(step)
            await settled(pilot)
            await until(pilot, lambda: wizard.launcher is None or not wizard.launcher.busy)
            seen = shown_clean(pilot)
            assert MARKUP in seen, step
        wizard.sources = replace(wizard.sources, models_here=lambda: [Found(f"here/{NASTY}", NASTY)])
        for key in ("f1", "f12", "ctrl+p", "ctrl+g", "ctrl+k", "ctrl+f"):
            await pilot.press(key)
            await settled(pilot)
            assert pilot.app.screen is not wizard, key
            shown_clean(pilot)
            if key == "ctrl+f":
                await pilot.press("x")
                await until(pilot, lambda: f"here/{MARKUP}" in picture(pilot))
                shown_clean(pilot)
            await pilot.press("escape")
            await settled(pilot)
        await wizard.go("review")
        await pilot.press("right", "f8")
        await settled(pilot)
        shown_clean(pilot)
        # the dialog that writes files: a directory of this name, and the disk's error for an impossible one
        await pilot.press("f9", "ctrl+u")
        await typed(pilot, "out")
        pilot.app.screen.query_one("#directory", Input).value = f"/proc/{MARKUP}\x1b[2J"
        await pilot.press("enter")
        await settled(pilot)
        assert MARKUP in shown_clean(pilot)
        pilot.app.screen.query_one("#directory", Input).value = f"{MARKUP}\u202e"
        await pilot.press("enter")
        await settled(pilot)
        await until(pilot, lambda: "written" in picture(pilot))
        assert MARKUP in shown_clean(pilot), "the toast"
        # a model refused with such a sentence
        await wizard.go("model")
        wizard.take_model(f"refused{MARKUP}")
        await until(pilot, lambda: "is not known" in (wizard.session.stale or ""))
        await settled(pilot)
        assert f"{MARKUP}" in shown_clean(pilot)


async def test_a_field_shows_what_was_pasted_into_it() -> None:
    async with opened() as pilot:
        await pilot.press("enter")
        await pilot.press("ctrl+u")
        pilot.app.focused.post_message(Paste(NASTY))  # type: ignore[union-attr]
        await pilot.pause()
        await settled(pilot)
        shown_clean(pilot)
        # the beginning of a text that is longer than the field
        await pilot.press("home")
        await settled(pilot)
        assert MARKUP in shown_clean(pilot)


async def test_a_session_that_was_left_is_named_as_it_was(tmp_path: Path) -> None:
    async with opened(state=tmp_path, model__model=NASTY) as pilot:
        pilot.app._save()  # type: ignore[attr-defined]
        pilot.app._state_file._path = None  # type: ignore[attr-defined]
    for lock in tmp_path.glob("*.lock"):
        lock.unlink()
    async with opened(state=tmp_path, resume=True) as pilot:
        assert MARKUP in text_of(pilot, "#welcome-lines")
        shown_clean(pilot)


def test_nothing_in_a_profile_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    model = "\\e[2J\\e]0;owned\\a[bold]x"
    profile.write_text(f'profile_version: 1\nmodel: {{model: "{model}"}}\nhardware: {{gpu: H100}}\n')
    command = [sys.executable, "-m", "wizard_tui", "--profile", str(profile)]
    with Terminal(command, environment=environment(str(tmp_path))) as terminal:
        terminal.wait_for(lambda text: "ESC" in text)
        assert "model.model must not have control characters" in " ".join(terminal.text.split())
        assert "owned" not in terminal.text
