"""Tokens and keys are planted wherever people keep them, and looked for in everything this program leaves behind."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.conftest import PROGRAMS, Run, wait_for
from tests.models.hub_server import Hub, Repo, running, safetensors
from tests.planning.conftest import LLAMA_8B
from tests.tui.conftest import ORDER, opened, settled, until
from wizard_tui.launch import ways
from wizard_tui.launch.records import Records
from wizard_tui.schemas.secrets import HIDDEN
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.screens.wizard import WizardScreen

# of this run alone, as the process list has those of others too; each unlike the others, so that a find tells which
RUN = secrets.token_hex(4)
SECRETS = {
    "HF_TOKEN": f"hf_{RUN}environQ1",
    "token file": f"hf_{RUN}fileQ2",
    "the key's variable": f"sk-{RUN}keyQ3",
    "VLLM_API_KEY": f"sk-{RUN}vllmQ4",
    "model address": f"{RUN}addressQ5",
    "HF_ENDPOINT": f"{RUN}endpointQ6",
    "proxy": f"{RUN}proxyQ7",
    "bare token": f"hf_{RUN}byitselfinafieldQ8",
}
MARK = re.compile(rf"{RUN}\w+Q\d", re.IGNORECASE)
TENSORS = {"model.norm.weight": ("BF16", [4096])}


def found_in(text: str) -> list[str]:
    """Planted secrets in a text, plain, wrapped over lines, or as a header would carry them."""
    encoded = [secret for secret in SECRETS.values() if _base64_of(secret) in text]
    # a screen breaks words, and its picture cuts lines into elements
    whole = re.sub(r"<[^>]*>|&#160;|\s", "", text)
    return sorted({*MARK.findall(text), *MARK.findall(whole), *encoded})


def _base64_of(secret: str) -> str:
    return base64.b64encode(f"me:{secret}".encode()).decode().rstrip("=")[:-2]


@dataclass
class Box:
    """A home directory with secrets, a Hub, and everything that was said on it."""

    home: Path
    hub: Hub
    environ: dict[str, str]
    said: list[str] = field(default_factory=list)
    command_lines: set[str] = field(default_factory=set)

    def run(self, *arguments: object, **further: str) -> int:
        """Run a command; what it says is kept, and the command lines of all its processes."""
        words = [sys.executable, "-m", "wizard_tui", *map(str, arguments)]
        process = subprocess.Popen(
            words, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env=self.environ | further, cwd=Path(__file__).parents[1],
        )  # fmt: skip
        while True:
            try:
                said, _ = process.communicate(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                self.command_lines |= command_lines() - {"".join(f"{word} " for word in words)}
        self.said.append(said)
        return process.returncode

    def leaks(self) -> dict[str, list[str]]:
        """Where a planted secret turned up; the file that it was planted in is not counted."""
        places = {"output": "\n".join(self.said), "command lines": "\n".join(self.command_lines)}
        for path in self.home.rglob("*"):
            if path.is_file() and path != self.home / "hf" / "token":
                places[str(path.relative_to(self.home))] = path.read_text(encoding="utf-8", errors="replace")
        return {place: found for place, text in places.items() if (found := found_in(text))}


def command_lines() -> set[str]:
    return {_read(path) for path in Path("/proc").glob("[0-9]*/cmdline")}


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    hub = Hub()
    files = {"config.json": json.dumps(LLAMA_8B).encode(), "model.safetensors": safetensors(TENSORS)}
    hub.repos["org/model"] = Repo(files)
    hub.repos["org/gated"] = Repo(refuses=(401, "GatedRepo"))
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(SECRETS["token file"])
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with running(hub) as address:
        environ = {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "HF_HOME": str(tmp_path / "hf"),
            "HF_ENDPOINT": address,
            "HF_TOKEN": SECRETS["HF_TOKEN"],
            "MY_KEY": SECRETS["the key's variable"],
            "VLLM_API_KEY": SECRETS["VLLM_API_KEY"],
            "VLLM_STANDIN": "{}",
        }
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield Box(tmp_path, hub, environ)
    for record in Records().all():
        ways.stop(record)


def test_a_planted_secret_is_found(box: Box) -> None:
    """The search itself: it must find what is there."""
    for secret in SECRETS.values():
        assert found_in(f"x {secret} y")
        assert found_in(f"<text>{secret[:10]}</text>\n<text>{secret[10:]}</text>")
        assert found_in(base64.b64encode(f"me:{secret}".encode()).decode())
    (box.home / "state").mkdir()
    (box.home / "state" / "x.json").write_text(SECRETS["VLLM_API_KEY"])
    assert list(box.leaks()) == ["state/x.json"]
    held = [sys.executable, "-c", "import sys; sys.stdin.read()", SECRETS["proxy"]]
    with subprocess.Popen(held, stdin=subprocess.PIPE):
        wait_for(lambda: found_in("\n".join(command_lines())))


def test_commands_leave_no_secret(box: Box) -> None:
    gpu = ("--gpu", "H100 80GB", "--api-key-env", "MY_KEY")
    out = box.home / "out"
    assert box.run("plan", "-m", "org/model", *gpu) == 0
    assert f"Bearer {SECRETS['HF_TOKEN']}" in box.hub.authorized_by, "the token is in use"
    assert box.run("plan", "-m", "org/model", *gpu, "--json") == 0
    assert box.run("plan", "-m", "org/gated", *gpu) == 2
    assert box.run("generate", "-m", "org/model", *gpu, "-o", out, "--emit", "all") == 0
    assert "MY_KEY" in (out / "serve.sh").read_text()
    box.run("models", "show", "org/model", "--json")
    box.run("models", "search", "model")
    box.run("doctor", "-m", "org/model", *gpu)
    del box.environ["HF_TOKEN"]
    box.run("plan", "-m", "org/other", *gpu)
    assert f"Bearer {SECRETS['token file']}" in box.hub.authorized_by, "the token file is in use"
    assert box.leaks() == {}


def test_a_password_in_an_address_ends_at_the_schema(box: Box) -> None:
    secret = SECRETS["model address"]
    with_password = box.environ["HF_ENDPOINT"].replace("http://", f"http://me:{secret}@")
    gpu = ("--gpu", "H100 80GB")
    for address in (f"{with_password}/org/model", f"me:{secret}@huggingface.co/org/model"):
        box.run("plan", "-m", address, *gpu, "--json")
    assert box.run("generate", "-m", f"{with_password}/org/model", *gpu, "-o", box.home / "out", "--emit", "all") == 0
    assert f'model: "{box.environ["HF_ENDPOINT"]}/org/model"' in (box.home / "out" / "profile.yaml").read_text()
    for wrong in (f"https://me:{secret}@example.org/a/b", f"{with_password}/nothing", f"https://me:{secret}@[/a/b"):
        assert box.run("plan", "-m", wrong, *gpu) == 2
    lora = f"sql=https://me:{secret}@huggingface.co/org/adapter"
    assert box.run("plan", "-m", "org/model", *gpu, "--lora-modules", lora, "--tokenizer", with_password) == 0
    # somebody takes the option for the key itself
    assert box.run("plan", "-m", "org/model", *gpu, "--api-key-env", SECRETS["the key's variable"]) == 2
    assert "must be the name of an environment variable" in box.said[-1]
    assert box.leaks() == {}


FORMS = (
    "{hub}/org/model?token={secret}", "{hub}/org/model#{secret}", "http://me:a/{secret}#b?c d@{host}/org/model",
    "http:/me:{secret}@{host}/org/model", "me:{secret}@localhost", "me:{secret}@box:8000/org/model",
    "huggingface.co/org/model?token={secret}#{secret}", "me:/{secret}@huggingface.co/org/model", "{token}",
    "http://{token}@{host}/org/model", "org/{token}",
)  # fmt: skip


def addresses(box: Box) -> list[str]:
    hub = box.environ["HF_ENDPOINT"]
    parts = {"hub": hub, "host": hub.removeprefix("http://")}
    return [form.format(**parts, secret=SECRETS["model address"], token=SECRETS["bare token"]) for form in FORMS]


def test_an_address_of_any_form_is_in_no_file(box: Box) -> None:
    more = ("--gpu", "H100 80GB", "--params-b", "8", "--emit", "all")
    written = 0
    for number, address in enumerate(addresses(box)):
        written += box.run("generate", "-m", address, *more, "-o", box.home / f"out{number}") == 0
    words = [word for option in ("tokenizer", "host", "served-model-name") for word in (f"--{option}", address)]
    box.run("generate", "-m", "org/model", *more, *words, "--lora-modules", f"sql={address}", "-o", box.home / "out")
    box.run("generate", "-m", "org/model", *more, "--emit", address, "-o", address)
    assert written > len(FORMS) / 2
    assert "Traceback" not in "".join(box.said)
    assert box.leaks() == {}


def test_an_address_of_any_form_is_in_no_sentence(box: Box) -> None:
    good: dict[str, dict[str, Any]] = {"model": {"model": "org/model"}, "hardware": {"gpu": "H100 80GB"}}
    fields = [path.split(".") for path in all_fields()]
    lines = [
        good | {section: good.get(section, {}) | {name: address}}
        for address in addresses(box)
        for section, name in (*fields, ("model", address))
    ]
    requests = box.home / "requests.jsonl"
    requests.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert box.run("plan", "--batch", requests) == 2
    requests.unlink()
    assert box.said[-1].count("error") >= len(FORMS)
    assert "Traceback" not in box.said[-1]
    assert box.leaks() == {}


@pytest.mark.parametrize(
    "line",
    ["plan -p", "plan --batch", "verify", "models search", "completion", "servers", "plan", ""],
)
def test_a_word_in_the_wrong_place_is_shown_without_secrets(box: Box, run: Run, line: str) -> None:
    searched = [one for one in addresses(box) if SECRETS["bare token"] in one]
    for address in searched if line == "models search" else addresses(box):
        box.said.append(run(*line.split(), address).err)
    assert all(said for said in box.said)
    assert box.leaks() == {}


@pytest.mark.parametrize(
    "environ",
    [
        {"HF_ENDPOINT": f"http://me:{SECRETS['HF_ENDPOINT']}@127.0.0.1:9"},
        {"HF_ENDPOINT": f"http://me:{SECRETS['HF_ENDPOINT']}@[bad"},
        {"HF_ENDPOINT": f"http://me:{SECRETS['HF_ENDPOINT']}@127.0.0.1:99999"},
        {"HTTP_PROXY": f"http://me:{SECRETS['proxy']}@127.0.0.1:9"},
        {"HTTP_PROXY": f"nonsense://me:{SECRETS['proxy']}@127.0.0.1:9"},
        {"ALL_PROXY": f"socks5://me:{SECRETS['proxy']}@127.0.0.1:9"},
    ],
    ids=["nobody there", "no address", "no port", "proxy", "no proxy", "SOCKS"],
)
def test_a_hub_or_a_proxy_with_a_password_that_fails_does_not_say_it(box: Box, environ: dict[str, str]) -> None:
    code = box.run("plan", "-m", "org/model", "--gpu", "H100", **environ)
    assert code == 2, box.said
    assert len(box.said[-1].strip().splitlines()) == 1, box.said
    box.run("doctor", "-m", "org/model", "--gpu", "H100", **environ)
    assert "Traceback" not in box.said[-1]
    assert box.leaks() == {}


def test_a_server_that_is_started_shows_no_secret(box: Box, port: int) -> None:
    asked = ("-m", "org/model", "--gpu", "H100 80GB", "-c", "2", "--prompt-tokens", "40", "--gen-tokens", "8",
             "--force", "--port", port, "--api-key-env", "MY_KEY")  # fmt: skip
    told = {"VLLM_STANDIN": json.dumps({"environment": ["VLLM_API_KEY", "HF_TOKEN"]})}
    assert box.run("launch", *asked, "--detach", "--load", "--log", **told) == 0, box.said
    assert "environment: VLLM_API_KEY,HF_TOKEN" in box.said[-1], "the server has them"
    assert any(" serve org/model" in line for line in box.command_lines)
    (record,) = Records().all()
    box.run("servers", "--json")
    box.run("servers", "log", record.name)
    assert box.run("servers", "stop", record.name) == 0
    assert box.leaks() == {}


@pytest.mark.parametrize("way", [name for name in ways.WAYS if name != "process"])
def test_other_ways_to_start_name_variables_and_not_their_values(box: Box, way: str, port: int) -> None:
    programs = box.home / "bin"
    programs.mkdir()
    for name in ("docker", "systemd-run", "systemctl"):
        # every command line that it is given, in a file
        (programs / name).write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> "{box.home}/called"\n')
        (programs / name).chmod(0o755)
    box.environ["PATH"] = f"{programs}{os.pathsep}{box.environ['PATH']}"
    asked = ("-m", "org/model", "--gpu", "H100 80GB", "--force", "--port", port, "--api-key-env", "MY_KEY")
    box.run("launch", *asked, "--way", way, "--detach")
    called = (box.home / "called").read_text()
    if way != "compose":  # which names it in its file
        assert "VLLM_API_KEY" in called
    assert box.leaks() == {}


def wizard(pilot: Pilot[str]) -> WizardScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, WizardScreen))


async def test_no_step_of_the_wizard_shows_or_keeps_a_secret(
    box: Box, stand_in: Callable[..., None], port: int
) -> None:
    stand_in(environment=["VLLM_API_KEY"])
    box.environ["PATH"] = os.environ["PATH"]
    fields = {"policy__api_key_env": "MY_KEY", "policy__port": str(port), "hardware__gpu": "H100 80GB"}
    pictures: dict[str, str] = {}
    async with opened((120, 36), state=box.home / "sessions", **fields) as pilot:
        for step in ORDER:
            await wizard(pilot).go(step)
            await settled(pilot)
            pictures[step] = pilot.app.export_screenshot()
        for key in ("f1", "ctrl+p", "ctrl+g", "f9"):
            await pilot.press(key)
            await settled(pilot)
            pictures[key] = pilot.app.export_screenshot()
            await pilot.press("escape")
        await wizard(pilot).go("launch")
        launcher = wizard(pilot).launcher
        assert launcher is not None
        # the visit before has checked too; what counts is that this one is through
        await settled(pilot)
        await until(pilot, lambda: launcher.checked and not launcher.busy)
        await pilot.press("s")
        await until(pilot, lambda: bool(launcher.problem))
        await settled(pilot)
        await pilot.press("s")
        await until(pilot, lambda: launcher.is_ready and launcher.answer is not None)
        assert launcher.watch is not None
        pictures["served"] = pilot.app.export_screenshot()
        box.command_lines |= command_lines()
        assert isinstance(pilot.app, WizardApp)
        pilot.app._save()
    assert "MY_KEY" in re.sub(r"<[^>]*>", "", pictures["policy"]), "the pictures can be read"
    assert list((box.home / "sessions").glob("*.json"))
    assert {name: found for name, picture in pictures.items() if (found := found_in(picture))} == {}
    assert box.leaks() == {}


async def test_a_password_that_is_pasted_with_an_address_leaves_the_field(box: Box) -> None:
    address = f"https://me:{SECRETS['model address']}@huggingface.co/org/model"
    async with opened((120, 36), state=box.home / "sessions") as pilot:
        await wizard(pilot).go("model")
        # a token by itself is hidden, and the field says why
        editor = pilot.app.screen.query_one("#model-model", Input)
        editor.value = ""
        editor.insert_text_at_cursor(SECRETS["bare token"])
        await until(pilot, lambda: editor.value == HIDDEN)
        await until(pilot, lambda: "a secret token" in wizard(pilot).session.errors.get("model.model", ""))
        assert isinstance(pilot.app, WizardApp)
        pilot.app._save()
        assert not found_in(pilot.app.export_screenshot())
        editor = pilot.app.screen.query_one("#model-model", Input)
        editor.value = ""
        editor.insert_text_at_cursor(address)
        await until(pilot, lambda: editor.value == "https://huggingface.co/org/model")
        await settled(pilot)
        # and a key in the place of its variable
        await wizard(pilot).go("policy")
        key = pilot.app.screen.query_one("#policy-api_key_env", Input)
        key.value = SECRETS["the key's variable"]
        await until(pilot, lambda: "policy.api_key_env" in wizard(pilot).session.errors)
        assert isinstance(pilot.app, WizardApp)
        pilot.app._save()
    assert box.leaks() == {}


def test_a_fault_of_ours_shows_no_local_variables(box: Box) -> None:
    code = """
import asyncio, os
from tests.tui.conftest import Sources
from wizard_tui.hardware.gpu import Detection
from wizard_tui.schemas.secrets import HIDDEN
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.crash import described

class Broken(WizardApp):
    def action_words(self):
        environ, token = dict(os.environ), os.environ["HF_TOKEN"]
        raise RuntimeError("planted")

async def press():
    app = Broken(sources=Sources(detect=lambda: Detection()))
    try:
        async with app.run_test() as pilot:
            app.action_words()
    except RuntimeError as error:
        app._handle_exception(error)
        assert not app._exit_renderables, "Textual's own picture of it is not shown"
        print(described(error))

asyncio.run(press())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=box.environ, capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert "action_words" in done.stdout, done.stderr
    assert "RuntimeError" in done.stdout
    assert not found_in(done.stdout + done.stderr)
