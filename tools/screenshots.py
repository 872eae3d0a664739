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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from textual.pilot import Pilot

from wizard_tui.engine.versions import NEWEST
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU, Detection
from wizard_tui.launch.machine import Machine
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.facts import Sources
from wizard_tui.tui.session import Session

WIDE, NARROW, HUGE = (120, 36), (80, 24), (200, 60)


@dataclass(frozen=True)
class Shot:
    """One picture: what is in the fields, which keys are pressed, and the size of the terminal."""

    name: str
    keys: Sequence[str] = ()
    size: tuple[int, int] = WIDE
    fields: dict[str, str] = field(default_factory=dict)
    gpus: tuple[GPU, ...] = ()
    theme: str | None = None


_PAIR = (get_gpu_by_name("RTX 4090"),) * 2
_NEXT = "ctrl+n"
_TOO_LARGE = {"model.model": "Qwen/Qwen3-32B", "hardware.gpu": "RTX 4090"}
_FITS = {"model.model": "Qwen/Qwen3-32B", "hardware.gpu": "H100 80GB", "workload.concurrency": "8"}

_LAUNCHING = (get_gpu_by_name("H100 80GB"),)

SHOTS = (
    Shot("1-welcome", gpus=_PAIR),
    Shot("2-model", [_NEXT], fields=_FITS),
    Shot("3-hardware", [_NEXT] * 2, fields=_FITS),
    Shot("4-workload", [_NEXT] * 3, fields=_FITS),
    Shot("5-policy", [_NEXT] * 4, fields=_FITS),
    Shot("6-review", [_NEXT] * 5, fields=_FITS),
    Shot("7-launch", [_NEXT] * 6, fields=_FITS, gpus=_LAUNCHING),
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


async def draw(shot: Shot) -> str:
    """The SVG of one shot."""
    session = Session()
    session.set(shot.fields)
    detected = Detection(gpus=shot.gpus, driver_version="580.95.05", cuda_version="13.0")
    machine = Machine(
        detection=detected,
        vllm_path="/opt/vllm/bin/vllm",
        vllm_version=NEWEST,
        cache="/data/huggingface/hub",
        cache_free_bytes=400 << 30,
        port_taken=True,
        hub_problem="",
        ram_available_bytes=500 << 30,
        open_files=1 << 20,
        clock_ahead_s=0.2,
    )
    sources = Sources(detect=lambda: Detection(gpus=shot.gpus), look=lambda response, way: machine)
    app = WizardApp(session, sources=sources)
    async with app.run_test(size=shot.size) as pilot:
        if shot.theme:
            app.theme = shot.theme
        await settled(pilot)
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause()
        await settled(pilot)
        return app.export_screenshot(title="vllm-wizard-tui", simplify=True)


async def settled(pilot: Pilot[str]) -> None:
    """Wait until what was found out led to nothing more to find out."""
    for _ in range(3):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


def draw_png(svg: Path) -> None:
    """The picture beside its SVG. librsvg drops leading blanks that the SVG's style sheet keeps, so it is told to."""
    text = svg.read_text(encoding="utf-8").replace("<text ", '<text xml:space="preserve" ')
    text = re.sub(r"&#160;|\u00a0", " ", text).replace("Fira Code", "DejaVu Sans Mono")
    command = ["rsvg-convert", "--zoom", "1", "--output", str(svg.with_suffix(".png"))]
    subprocess.run(command, input=text.encode(), check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", help="only these")
    chosen = parser.parse_args()
    chosen.directory.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        if chosen.names and shot.name not in chosen.names:
            continue
        svg = chosen.directory / f"{shot.name}.svg"
        svg.write_text(asyncio.run(draw(shot)), encoding="utf-8")
        if shutil.which("rsvg-convert"):
            draw_png(svg)


if __name__ == "__main__":
    main()
