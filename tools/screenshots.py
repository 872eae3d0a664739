"""Draws every step of the wizard as SVG, and as PNG where rsvg-convert is installed.

    python tools/screenshots.py screenshots

The SVG files are the same on every run and machine: GPUs and models come from the built-in catalogues, and nothing
moves.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from unittest.mock import patch

from huggingface_hub import errors
from textual.pilot import Pilot
from textual.widgets import Log

from tools.driven import driven_exactly, settled
from wizard_tui.engine import versions
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.record import Record
from wizard_tui.launch.startup_log import brief
from wizard_tui.launch.verify import compare
from wizard_tui.launch.watch import READY, Watch
from wizard_tui.models.hub import asked
from wizard_tui.models.metadata import ModelMetadata
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.fields import MODEL
from wizard_tui.tui.session import Left, Session
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.widgets.launch import LaunchView

# a letter of 20 px takes 12.2 of them in a Rich picture, and 12.04 in DejaVu Sans Mono
LETTER_SPACING = 0.16
WIDE, NARROW, HUGE = (120, 36), (80, 24), (200, 60)
NEWEST_SHOWN = "0.33.0"


@dataclass(frozen=True)
class Shot:
    """One picture: what is in the fields, which keys are pressed, and the size of the terminal.

    `hub` is what happens to a model request: `loading`, `gated` or `offline`; `served` shows a server with a
    public log of vLLM 0.31; `left` is the step on which an earlier session was left.
    """

    name: str
    keys: list[str] = field(default_factory=list)
    size: tuple[int, int] = WIDE
    fields: dict[str, str] = field(default_factory=dict)
    gpus: tuple[GPU, ...] = ()
    theme: str | None = None
    hub: str = ""
    served: bool = False
    left: str = ""

    @property
    def waits_for(self) -> str:
        """The group of workers that does not come to an end before the picture is taken."""
        return "model" if self.hub == "loading" else ""


_PAIR = (get_gpu_by_name("RTX 4090"),) * 2
_UNLIKE = (
    get_gpu_by_name("RTX 4090"),
    replace(get_gpu_by_name("RTX 4090"), used_bytes=6 << 30, holders=("python",)),
    get_gpu_by_name("RTX 3090"),
)
_NEXT = "ctrl+n"
_TOO_LARGE = {"model.model": "Qwen/Qwen3-32B", "hardware.gpu": "RTX 4090"}
_FITS = {"model.model": "Qwen/Qwen3-32B", "hardware.gpu": "H100 80GB", "workload.concurrency": "8"}

_TIGHT = {"model.model": "Qwen/Qwen3-32B", "hardware.gpu": "H100 80GB", "model.max_model_len": "20K"}
_LAUNCHING = (get_gpu_by_name("H100 80GB"),)
_SERVED = {
    "model.model": "meta-llama/Llama-3.1-8B-Instruct",
    "model.max_model_len": "131072",
    "policy.vllm_version": "0.31.0",
}
LEFT_AT = datetime(2026, 3, 14, 10, 42)
SERVED_LOG = Path(__file__).with_name("served.log")
_ASKED = {"model.model": "some-lab/a-new-model", "hardware.gpu": "H100 80GB"}

SHOTS = (
    Shot("1-welcome", gpus=_PAIR),
    Shot("2-model", [_NEXT], fields=_FITS),
    Shot("3-hardware", [_NEXT] * 2, fields=_FITS),
    Shot("4-workload", [_NEXT] * 3, fields=_FITS),
    Shot("5-policy", [_NEXT] * 4, fields=_FITS),
    Shot("6-review", [_NEXT] * 5, fields=_FITS),
    Shot("7-launch", [_NEXT] * 6, fields=_FITS, gpus=_LAUNCHING),
    Shot("served", [_NEXT] * 6, fields=_SERVED, gpus=(get_gpu_by_name("A100-SXM4-80GB"),), served=True),
    Shot("tight", [_NEXT], fields=_TIGHT),
    Shot("loading", [_NEXT], fields=_ASKED, hub="loading"),
    Shot("gated", [_NEXT], fields=_ASKED, hub="gated"),
    Shot("offline", [_NEXT], fields=_ASKED, hub="offline"),
    Shot("words", ["f12"], fields=_FITS),
    Shot("launch-80x24", [_NEXT] * 6, size=NARROW, fields=_FITS, gpus=_LAUNCHING),
    Shot("welcome-80x24", size=NARROW, gpus=_PAIR),
    Shot("left", gpus=_PAIR, fields=_FITS, left="workload"),
    Shot("unlike-gpus", [_NEXT] * 2, fields={"model.model": "Qwen/Qwen3-32B-AWQ"}, gpus=_UNLIKE),
    Shot("menu", [_NEXT, "ctrl+k"], fields=_FITS),
    Shot("find", [_NEXT, "ctrl+f", *"mistral"], fields=_FITS),
    Shot("too-small", [_NEXT], size=(50, 12), fields=_FITS),
    Shot("hardware-80x24", [_NEXT] * 2, size=NARROW, fields=_FITS),
    Shot("workload-80x24", [_NEXT] * 3, size=NARROW, fields=_FITS),
    Shot("policy-80x24", [_NEXT] * 4, size=NARROW, fields=_FITS),
    Shot("review-80x24", [_NEXT] * 5, size=NARROW, fields=_FITS),
    Shot("smallest-60x16", size=(60, 16), gpus=_PAIR),
    Shot("write", [_NEXT] * 5 + ["f9"], fields=_FITS),
    Shot("does-not-fit", [_NEXT], fields=_TOO_LARGE),
    Shot("field-error", [_NEXT] * 2 + ["tab", "ctrl+u", "0"], fields=_FITS),
    Shot("narrow-80x24", [_NEXT], size=NARROW, fields=_FITS),
    Shot("narrow-80x24-plan", [_NEXT, "f7"], size=NARROW, fields=_FITS),
    Shot("huge-200x60", [_NEXT] * 5, size=HUGE, fields=_FITS),
    Shot("light", [_NEXT], fields=_FITS, theme="wizard-light"),
    Shot("why", [_NEXT, "ctrl+p"], fields=_FITS),
    Shot("plots", [_NEXT, "ctrl+g"], fields=_FITS),
    Shot("plots-80x24", [_NEXT, "ctrl+g"], size=NARROW, fields=_FITS),
    Shot("keys", ["f1"], fields=_FITS),
)


def walks(shots: Iterable[Shot]) -> list[list[Shot]]:
    """The shots grouped by run of the wizard: one whose keys extend those of another is taken in the same run."""
    found: list[list[Shot]] = []
    for shot in sorted(shots, key=lambda shot: len(shot.keys)):
        walk = next((walk for walk in found if _goes_on(walk[-1], shot)), None)
        if walk is None:
            found.append([shot])
        else:
            walk.append(shot)
    return found


def _goes_on(before: Shot, shot: Shot) -> bool:
    same_world = replace(shot, name=before.name, keys=before.keys) == before
    return same_world and shot.keys[: len(before.keys)] == before.keys


async def draw(walk: Sequence[Shot]) -> dict[str, str]:
    """The SVG of each shot of a walk, by its name."""
    drawn: dict[str, str] = {}
    pressed = 0
    async with opened(walk[0]) as pilot:
        for shot in walk:
            for key in shot.keys[pressed:]:
                await pilot.press(key)
                await pilot.pause()
            pressed = len(shot.keys)
            await settled(pilot, but=shot.waits_for)
            if shot.served:
                show_server(pilot)
                await pilot.pause()
            drawn[shot.name] = picture(pilot)
    return drawn


def picture(pilot: Pilot[str]) -> str:
    """The SVG of what is on screen."""
    return pilot.app.export_screenshot(title="vllm-wizard-tui", simplify=True)


@contextmanager
def newest_is(version: str) -> Iterator[None]:
    """Plan as if no vLLM newer than this were known: a picture shows the wizard, and a new vLLM does not change it."""
    versions.rules_for.cache_clear()
    try:
        with patch.object(versions, "NEWEST", version):
            yield
    finally:
        versions.rules_for.cache_clear()


@asynccontextmanager
async def opened(shot: Shot) -> AsyncIterator[Pilot[str]]:
    """The wizard before the first key, in a world that never changes."""
    session = Session()
    session.set(shot.fields)
    if shot.left:
        session.left = Left(session.texts[MODEL], shot.left, LEFT_AT)
    detected = Detection(gpus=shot.gpus, driver_version="580.95.05", cuda_version="13.0")
    machine = Machine(
        detection=detected,
        vllm_path="/opt/vllm/bin/vllm",
        vllm_version=NEWEST_SHOWN,
        cache="/data/huggingface/hub",
        cache_free_bytes=400 << 30,
        port_taken=True,
        free_port=8001,
        hub_problem="",
        ram_available_bytes=500 << 30,
        open_files=1 << 20,
        clock_ahead_s=0.2,
    )
    picture_taken = Event()
    sources = Sources(detect=lambda: Detection(gpus=shot.gpus), observed=tuple, look=lambda response, way: machine)
    if shot.hub:
        sources = replace(sources, load_model=lambda model, *_: answer_of_the_hub(shot.hub, model, picture_taken))
    app = WizardApp(session, sources=sources)
    with driven_exactly(), newest_is(NEWEST_SHOWN):
        async with app.run_test(size=shot.size) as pilot:
            if shot.theme:
                app.theme = shot.theme
            await settled(pilot, but=shot.waits_for)
            try:
                yield pilot
            finally:
                picture_taken.set()


def answer_of_the_hub(state: str, model: str, picture_taken: Event) -> ModelMetadata:
    """No facts from the Hub, for the given reason."""
    if state == "loading":
        picture_taken.wait()
        raise ValueError("too late for the picture")

    def question() -> ModelMetadata:
        if state == "gated":
            # without the response object: which library makes that depends on the client's version
            raise errors.GatedRepoError.__new__(errors.GatedRepoError)
        raise errors.OfflineModeIsEnabled(state)

    return asked(model, question)


def show_server(pilot: Pilot[str]) -> None:
    """A server that is ready, as its log tells."""
    view = pilot.app.screen.query_one(LaunchView)
    launcher, response = view.launcher, view.session.response
    assert response is not None
    record = Record("vllm-llama-3.1-8b-instruct", "process", "", "", "http://127.0.0.1:8000", 0.0, {})
    launcher.watch = watch = Watch(record, response, clock=lambda: 92.0)
    for line in SERVED_LOG.read_text(encoding="utf-8").splitlines():
        watch.log.feed(line)
        view.query_one("#launch-log", Log).write_line(brief(line))
    watch.state = READY
    launcher.rows = compare(response, watch.log)
    view.draw()


def draw_png(svg: Path) -> None:
    """The picture beside its SVG. librsvg drops leading blanks that the SVG's style sheet keeps, so it is told to, and
    leaves out its text lengths, so the letters are set as wide as those of the font that they are made for."""
    text = svg.read_text(encoding="utf-8")
    text = text.replace("<text ", f'<text xml:space="preserve" letter-spacing="{LETTER_SPACING}" ')
    text = re.sub(r"&#160;|\u00a0", " ", text).replace("Fira Code", "DejaVu Sans Mono")
    command = ["rsvg-convert", "--zoom", "1", "--output", str(svg.with_suffix(".png"))]
    subprocess.run(command, input=text.encode(), check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", help="only these")
    chosen = parser.parse_args()
    chosen.directory.mkdir(parents=True, exist_ok=True)
    for walk in walks(shot for shot in SHOTS if not chosen.names or shot.name in chosen.names):
        for name, drawn in asyncio.run(draw(walk)).items():
            svg = chosen.directory / f"{name}.svg"
            svg.write_text(drawn, encoding="utf-8")
            if shutil.which("rsvg-convert"):
                draw_png(svg)


if __name__ == "__main__":
    main()
