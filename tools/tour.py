"""Draws a short tour of the wizard as one animated SVG, which browsers play as they show it.

    python -m tools.tour screenshots/tour.svg

Its pictures come from the same fixed world as the screenshots, so the file is the same on every run and machine.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Input

from tools.driven import settled
from tools.screenshots import Shot, opened, picture
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.tui.screens.wizard import WizardScreen

BOX = Shot("tour", gpus=(get_gpu_by_name("RTX 4090"),) * 2)
MODEL = "Qwen/Qwen3-32B"
Frame = tuple[str, float]
"""An SVG, and for how many seconds it is shown."""


async def frames() -> AsyncIterator[Frame]:
    """From the first screen to the command."""
    async with opened(BOX) as pilot:
        yield picture(pilot), 3.0
        yield await after(pilot, "enter"), 1.5
        await pilot.press("ctrl+u")
        for end in (6, 11):
            yield await typed(pilot, MODEL[:end]), 0.4
        yield await typed(pilot, MODEL), 2.5
        yield await after(pilot, "f6"), 2.5
        yield await after(pilot, "ctrl+n", "ctrl+n"), 1.5
        yield await typed(pilot, "4000"), 2.0
        yield await after(pilot, "ctrl+n", "ctrl+n"), 3.0
        yield await after(pilot, "ctrl+p"), 3.0
        yield await after(pilot, "escape", "ctrl+n"), 3.0


async def after(pilot: Pilot[str], *keys: str) -> str:
    """The picture after these keys."""
    for key in keys:
        await pilot.press(key)
        await settled(pilot)
        await model_read(pilot)
    return picture(pilot)


async def typed(pilot: Pilot[str], text: str) -> str:
    """The picture with this text in the field that has the focus. A model is read a moment after the last key."""
    focused = pilot.app.focused
    assert isinstance(focused, Input)
    focused.value = text
    focused.cursor_position = len(text)
    await settled(pilot)
    if text == MODEL:
        await model_read(pilot)
    return picture(pilot)


async def model_read(pilot: Pilot[str]) -> None:
    """Read a model that has changed at once, and not a moment after the last key."""
    screen = pilot.app.screen
    if isinstance(screen, WizardScreen) and screen.session.stale is not None:
        screen._reading.ask_model()
        await settled(pilot)


def animated(shown: list[Frame]) -> str:
    """One SVG that shows all of them in turn, for ever."""
    total = sum(seconds for _, seconds in shown)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', shown[0][0])
    assert size is not None
    rules, groups, at = [], [], 0.0
    for number, (svg, seconds) in enumerate(shown):
        start, end = 100 * at / total, 100 * (at + seconds) / total
        first = "" if number == 0 else "0% { visibility: hidden } "
        steps = f"{first}{start:.2f}% {{ visibility: visible }} {end:.2f}% {{ visibility: hidden }}"
        rules.append(f"@keyframes f{number} {{ {steps} }}")
        # the first one is shown where nothing moves
        rest = "hidden" if number else "visible"
        rules.append(f".f{number} {{ visibility: {rest}; animation: f{number} {total:g}s step-end infinite }}")
        groups.append(f'<g class="f{number}">{svg}</g>')
        at += seconds
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[1]} {size[2]}">'
    return "\n".join([head, "<style>", *rules, "</style>", *groups, "</svg>", ""])


async def tour() -> str:
    """The whole file."""
    return animated([frame async for frame in frames()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.parse_args().path.write_text(asyncio.run(tour()), encoding="utf-8")


if __name__ == "__main__":
    main()
