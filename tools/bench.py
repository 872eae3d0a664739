"""Times and bytes of the wizard beside those of the smallest Textual form, both in the same kind of terminal.

    python tools/bench.py [--runs 5]

Prints medians. Times depend on the machine, so look at the ratios; bytes are exact.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import timeit
from pathlib import Path

from tools.terminal import Answer, Terminal

ROOT = Path(__file__).parents[1]
PROFILE = "profile_version: 1\nmodel: {model: Qwen/Qwen3-32B}\nhardware: {gpu: H100}\n"
HELLO = [sys.executable, str(ROOT / "tools" / "hello_form.py")]
WIZARD = [sys.executable, "-m", "wizard_tui"]
DIGITS = b"1234567890"


def environment(home: str) -> dict[str, str]:
    """A terminal of 256 colours with an empty home, as a first SSH session has."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
    quiet = {"HF_HUB_OFFLINE": "1", "TEXTUAL_ANIMATIONS": "none"}
    return kept | quiet | {"HOME": home, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}


def start_ms(command: list[str], sign: str, home: str) -> float:
    """Milliseconds until `sign` is on screen."""
    with Terminal(command, environment=environment(home)) as terminal:
        return 1000 * terminal.wait_for(lambda text: sign in text)


def typed(command: list[str], sign: str, keys_to_field: list[bytes], home: str) -> tuple[int, list[Answer]]:
    """Bytes of the start, and what each digit did in a text field."""
    with Terminal(command, environment=environment(home)) as terminal:
        terminal.wait_for(lambda text: sign in text)
        terminal.settle(0.8)
        start = terminal.bytes_written
        for key in keys_to_field:
            terminal.press(key, 0.5)
        return start, [terminal.press(bytes([digit])) for digit in DIGITS]


def median_ms(answers: list[Answer]) -> float:
    """Median time to the first changed cell."""
    return statistics.median(answer.first_change_ms for answer in answers if answer.first_change_ms is not None)


def plan_ms() -> float:
    """One plan from facts at hand, as on each key press."""
    from wizard_tui.planning.planner import plan
    from wizard_tui.resolve import resolve
    from wizard_tui.schemas.inputs import PlanRequest

    request = PlanRequest.model_validate({"model": {"model": "Qwen/Qwen3-32B"}, "hardware": {"gpu": "H100", "gpus": 2}})
    facts = resolve(request)
    plan(request, facts)
    return 1000 * min(timeit.repeat(lambda: plan(request, facts), number=20, repeat=5)) / 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    # two homes: where keys were typed, the next start would offer to go on
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as used:
        profile = Path(home) / "profile.yaml"
        profile.write_text(PROFILE)
        command = [*WIZARD, "--profile", str(profile)]
        starts: dict[str, list[float]] = {"hello": [], "first screen": [], "first plan": []}
        hello: list[Answer] = []
        wizard: list[Answer] = []
        for _ in range(runs):  # turn by turn, so that a busy machine is equally unkind to both
            starts["hello"].append(start_ms(HELLO, "second", home))
            starts["first screen"].append(start_ms(WIZARD, "goes on", home))
            starts["first plan"].append(start_ms(WIZARD, "Fits", home))
            hello += typed(HELLO, "second", [], used)[1]
            start_bytes, answers = typed(command, "Fits", [b"\r", b"\t"], used)
            wizard += answers
    hello_start = statistics.median(starts["hello"])
    rows = [
        ("start to first screen, ms", statistics.median(starts["first screen"]), hello_start),
        ("start to first plan on screen, ms", statistics.median(starts["first plan"]), hello_start),
        ("key to first changed cell, ms", median_ms(wizard), median_ms(hello)),
    ]
    print(f"{'':36}{'wizard':>10}{'hello':>10}{'ratio':>8}")
    for name, ours, theirs in rows:
        print(f"{name:36}{ours:10.1f}{theirs:10.1f}{ours / theirs:8.2f}")
    print(f"{'bytes a digit, median':36}{statistics.median(a.bytes_written for a in wizard):10.0f}")
    print(f"{'bytes of the start':36}{start_bytes:10}")
    print(f"{'one plan, ms':36}{plan_ms():10.2f}")


if __name__ == "__main__":
    main()
