"""Random keys, pastes, clicks and sizes for the real wizard on a pty, until it breaks or the time is over.

    python -m tools.random_keys [--minutes 20] [--keys 20000] [--seed 1]

Home and directory are temporary, no GPU is asked for, the network is not used, and no server can be started. A fault is
an exit that was not asked for, a crash file, or a traceback on screen: the seed and the last keys are then printed, and
the exit code is 1.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tools.bench import PROFILE, environment, resident_mib
from tools.terminal import Terminal

LAST_KEYS = 200
REPORT_KEYS, WARM_UP_KEYS = 1_000, 2_000
LONGEST_BURST = 8
SIZES = ((120, 36), (80, 24), (60, 16), (200, 60), (40, 10), (100, 30))
TITLES = ("Welcome", "Model", "Hardware", "Workload", "Policy", "Review", "Launch")

# without those that leave (F10, ctrl+q, ctrl+c): else an exit would prove nothing
KEYS = (
    *(bytes([code]) for code in range(1, 27) if code not in (3, 17)),
    *(b"\t", b"\x1b[Z", b"\r", b"\x1b", b" ", b"\x7f", b"\x1b[3~"),
    *(b"\x1b[A", b"\x1b[B", b"\x1b[C", b"\x1b[D", b"\x1b[H", b"\x1b[F", b"\x1b[5~", b"\x1b[6~"),
    *(b"\x1bOP", b"\x1bOQ", b"\x1bOR", b"\x1bOS", b"\x1b[15~", b"\x1b[17~", b"\x1b[18~", b"\x1b[19~", b"\x1b[20~"),
    *(b"\x1b[24~", b"\x1b[1;5C", b"\x1b[1;5D", b"\x1b[1;2C"),
)
# to come to every step; Launch is the last
STEPPING = (b"\x0e", b"\x0f", b"\r")
LETTERS = "abcdefghijklmnopqrstuvwxyzABCXYZ0123456789.,:;/-_?![]{}()<>'\"\\$%&é界🙂"
PASTES = ("Qwen/Qwen3-32B", "8192", "-1", "1e400", "[red]x[/]", "a\nb\tc", "x" * 3000, "../..", "界界界", "\x07\x00")


@dataclass
class Run:
    """One wizard under random keys."""

    terminal: Terminal
    home: Path
    chance: random.Random
    keys: int = 0
    last: deque[bytes] = field(default_factory=lambda: deque(maxlen=LAST_KEYS))
    size: tuple[int, int] = SIZES[0]

    def burst(self) -> None:
        """Send a few keys in one write, and wait for their effect."""
        keys = [self._key() for _ in range(self.chance.randint(1, LONGEST_BURST))]
        self.last.extend(keys)
        self.keys += len(keys)
        self.terminal.send(b"".join(keys))
        if self.chance.random() < 0.02:
            self.resize(self.chance.choice(SIZES))
        self.terminal.settle(self.chance.choice((0.0, 0.0, 0.02)))

    def resize(self, size: tuple[int, int]) -> None:
        """Give the terminal another size; the list of keys records it as the request to xterm."""
        self.size = size
        self.last.append(f"\x1b[8;{size[1]};{size[0]}t".encode())
        self.terminal.resize(size)

    def _key(self) -> bytes:
        kind = self.chance.random()
        if kind < 0.30:
            return self.chance.choice(KEYS)
        if kind < 0.45:
            return self.chance.choice(STEPPING)
        if kind < 0.80:
            return self.chance.choice(LETTERS).encode()
        if kind < 0.83:
            return b"\x1b[200~" + self.chance.choice(PASTES).encode() + b"\x1b[201~"
        place = f"{self.chance.randint(1, self.size[0])};{self.chance.randint(1, self.size[1])}"
        click = f"\x1b[<0;{place}M\x1b[<0;{place}m"
        return click.encode() * (2 if kind > 0.95 else 1)

    def fault(self) -> str | None:
        """What is wrong; None when all is well."""
        crashes = list(self.home.glob(".local/state/**/crashes/*"))
        if crashes:
            return crashes[0].read_text(encoding="utf-8")
        text = self.terminal.text
        return f"a traceback on screen:\n{text}" if "Traceback (most recent" in text else None

    def step(self) -> str:
        """The step on screen, or what covers it."""
        first = self.terminal.text.partition("\n")[0]
        return next((title for title in TITLES if f"{title}]" in first), first.strip()[:40] or "none")


def opened(home: Path) -> Terminal:
    """The wizard with a plan, at work in `home`, and without a program that could start a server."""
    profile = home / "profile.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    command = [sys.executable, "-m", "wizard_tui", "--profile", str(profile), "--fresh"]
    in_home = ["/bin/sh", "-c", 'cd "$HOME" && exec "$@"', "sh", *command]
    return Terminal(in_home, size=SIZES[0], environment=environment(str(home)) | {"PATH": str(home / "bin")})


def ended(terminal: Terminal) -> int | None:
    """The exit code of a wizard that has ended; None while it runs."""
    pid, status = os.waitpid(terminal.pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def play(home: Path, chance: random.Random, *, keys: int, until_s: float) -> tuple[str | None, Sequence[bytes]]:
    """Drive wizards, a new one whenever one was left, until enough `keys` are typed, the clock says `until_s` or one
    breaks. Returns what is wrong with it, and its last keys."""
    typed, warm, rss_mib = 0, None, 0.0
    while typed < keys and time.monotonic() < until_s:
        with opened(home) as terminal:
            terminal.wait_for(lambda text: "Fits" in text)
            run = Run(terminal, home, chance)
            while typed + run.keys < keys and time.monotonic() < until_s:
                before = run.keys
                run.burst()
                if (fault := run.fault()) is not None:
                    return fault, run.last
                with suppress(ProcessLookupError):
                    rss_mib = resident_mib(terminal.pid)
                if (code := ended(terminal)) is not None:
                    if code:
                        return f"it ended with exit code {code}:\n{terminal.text}", run.last
                    print(f"{typed + run.keys:,} keys: left, and opened again", flush=True)
                    warm = None
                    break
                if run.keys >= WARM_UP_KEYS and warm is None:
                    warm = rss_mib
                if before // REPORT_KEYS != run.keys // REPORT_KEYS:
                    print(f"{typed + run.keys:,} keys: {rss_mib:.1f} MiB, {run.step()}", flush=True)
            typed += run.keys
    since = (
        f"{warm:.1f} MiB after {WARM_UP_KEYS:,}, {rss_mib - warm:+.1f} since" if warm is not None else "no more known"
    )
    print(f"{typed:,} keys, no fault; {rss_mib:.1f} MiB at the end, {since}")
    return None, ()


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when the wizard broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    until_s = time.monotonic() + 60 * chosen.minutes
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        fault, last = play(Path(home), random.Random(chosen.seed), keys=chosen.keys, until_s=until_s)  # noqa: S311
    if fault is None:
        return 0
    print(f"{fault}\nseed {chosen.seed}; the last keys:\n{list(last)!r}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
