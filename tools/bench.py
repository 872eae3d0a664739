"""Times, bytes and memory of the wizard beside those of a small Textual form and of vllm-wizard 0.2.0, in one run.

    python -m tools.bench [--runs 5]

Wizard and vllm-wizard are installed from a wheel, each into an environment of its own under .bench/. Everything is
measured turn by turn, so that a busy machine is equally unkind to all; printed are medians. Times depend on the
machine, so look at what stands beside them; bytes are exact. The Hub is never used.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections import defaultdict
from pathlib import Path

from tools.bench_core import GPU
from tools.terminal import Answer, Terminal
from wizard_tui.models import catalog

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / ".bench"
PEER = "vllm-wizard==0.2.0"
PROFILE = "profile_version: 1\nmodel: {model: Qwen/Qwen3-32B}\nhardware: {gpu: H100}\n"
DIGITS = b"1234567890"
MODELS = (
    "Qwen/Qwen3-32B",
    "meta-llama/Llama-3.3-70B-Instruct",
    "openai/gpt-oss-120b",
    "deepseek-ai/DeepSeek-V3.1",
    "Qwen/Qwen3-Next-80B-A3B-Instruct",
)
ALTERNATIVES = """
import statistics, sys, time
from wizard_tui.planning.alternatives import alternatives
from wizard_tui.resolver import resolve
from wizard_tui.schemas.inputs import PlanRequest
times = []
for context in range(4096, 4096 + 20 * 16, 16):
    request = PlanRequest.model_validate({
        "model": {"model": sys.argv[1], "max_model_len": context}, "hardware": {"gpu": "H100 80GB", "gpus": 8},
    })
    facts = resolve(request)
    started = time.process_time()
    alternatives(request, facts)
    times.append(1e3 * (time.process_time() - started))
print(statistics.median(times))
"""

Figures = dict[str, list[float]]


def installed(name: str, what: str, *, anew: bool = False) -> Path:
    """The directory of programs of an environment with `what` installed, created when missing."""
    folder = ENVIRONMENTS / name
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not (folder / "done").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([*pip, what], check=True)
        (folder / "done").touch()
    elif anew:
        subprocess.run([*pip, "--force-reinstall", "--no-deps", what], check=True)
    return folder / "bin"


def environment(home: str) -> dict[str, str]:
    """A terminal of 256 colours with an empty home, as a first SSH session has."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")}
    quiet = {"HF_HUB_OFFLINE": "1", "TEXTUAL_ANIMATIONS": "none"}
    return kept | quiet | {"HOME": home, "TERM": "xterm-256color"}


def run(figures: Figures, who: str, command: list[str], folder: str) -> None:
    """Milliseconds of wall and of processor time of a command."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment(folder), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    figures[f"cold, {who}"].append(1e3 * (time.perf_counter() - started))
    figures[f"cold processor, {who}"].append(1e3 * (usage.ru_utime + usage.ru_stime))


def told(command: list[str], folder: str) -> str:
    """What a command prints."""
    done = subprocess.run(command, cwd=folder, env=environment(folder), check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def shown(figures: Figures, name: str, command: list[str], sign: str, home: str) -> None:
    """Milliseconds until `sign` is on screen, and the memory once the program rests."""
    with Terminal(command, environment=environment(home)) as terminal:
        figures[f"to {name}"].append(1e3 * terminal.wait_for(lambda text: sign in text))
        terminal.settle(0.8)
        figures[f"memory at {name}"].append(resident_mib(terminal.pid))


def typed(command: list[str], sign: str, keys_to_field: list[bytes], home: str) -> tuple[int, list[Answer]]:
    """Bytes of the start, and what each digit did in a text field."""
    with Terminal(command, environment=environment(home)) as terminal:
        terminal.wait_for(lambda text: sign in text)
        terminal.settle(0.8)
        start = terminal.bytes_written
        for key in keys_to_field:
            terminal.press(key, 0.5)
        return start, [terminal.press(bytes([digit])) for digit in DIGITS]


def resident_mib(pid: int) -> float:
    """MiB that a process holds in memory. Raises ProcessLookupError when it has ended, also before it is waited for."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next((line for line in status.splitlines() if line.startswith("VmRSS")), None)
    if line is None:
        raise ProcessLookupError(pid)
    return int(line.split()[1]) / 1024


def median_ms(answers: list[Answer]) -> float:
    """Median time to the first changed cell."""
    return statistics.median(answer.first_change_ms for answer in answers if answer.first_change_ms is not None)


def checkpoints(folder: Path) -> list[str]:
    """Configs of well-known models in directories with meaningless names, so that both programs read the config."""
    names = []
    for number, model in enumerate(MODELS, 1):
        entry = catalog.find(model)
        assert entry is not None
        place = folder / f"checkpoint-{number}"
        place.mkdir()
        (place / "config.json").write_text(json.dumps(entry.config), encoding="utf-8")
        names.append(str(place))
    return names


def screens(runs: int, ours: Path, home: str, used: str) -> list[tuple[str, float, float | None]]:
    """The rows for what is seen: wizard and hello form."""
    profile = Path(home) / "profile.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    hello = [str(ours / "python"), str(ROOT / "tools" / "hello_form.py")]
    wizard = [str(ours / "vllm-wizard-tui")]
    planned = [*wizard, "--profile", str(profile)]
    figures: Figures = defaultdict(list)
    keys: dict[str, list[Answer]] = {"hello": [], "wizard": []}
    for _ in range(runs):
        shown(figures, "hello", hello, "second", home)
        shown(figures, "first screen", wizard, "goes on", home)
        shown(figures, "first plan", planned, "Fits", home)
        keys["hello"] += typed(hello, "second", [], used)[1]
        start_bytes, answers = typed(planned, "Fits", [b"\r", b"\t"], used)
        keys["wizard"] += answers
    middle = {name: statistics.median(values) for name, values in figures.items()}
    return [
        ("start to first frame, ms", middle["to first screen"], middle["to hello"]),
        ("start to first plan on screen, ms", middle["to first plan"], None),
        ("key to first changed cell, ms", median_ms(keys["wizard"]), median_ms(keys["hello"])),
        ("memory at first frame, MiB", middle["memory at first screen"], middle["memory at hello"]),
        ("memory with a plan on screen, MiB", middle["memory at first plan"], None),
        ("bytes a digit", *(statistics.median(a.bytes_written for a in keys[name]) for name in ("wizard", "hello"))),
        ("bytes of the start", start_bytes, None),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    ours = installed("wizard", str(ROOT), anew=True)
    theirs = installed("vllm-wizard", PEER)
    # two homes: where keys were typed, the next start would offer to go on
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as used:
        rows = screens(runs, ours, home, used)
        folders = checkpoints(Path(home))
        question = ["plan", "--model", f"./{Path(folders[0]).name}", "--gpu", GPU, "--gpus", "2", "--json"]
        core = str(ROOT / "tools" / "bench_core.py")
        figures: Figures = defaultdict(list)
        for _ in range(2 * runs):
            run(figures, "ours", [str(ours / "vllm-wizard-tui"), *question], home)
            run(figures, "theirs", [str(theirs / "vllm-wizard"), *question], home)
        for _ in range(runs):
            for who, programs, package in (("ours", ours, "wizard_tui"), ("theirs", theirs, "vllm_wizard")):
                found = json.loads(told([str(programs / "python"), core, package, *folders], home))
                for name, value in found.items():
                    figures[f"{name}, {who}"].append(value)
            figures["alternatives"].append(float(told([str(ours / "python"), "-c", ALTERNATIVES, folders[0]], home)))
    middle = {name: statistics.median(values) for name, values in figures.items()}
    print(f"{'':38}{'wizard':>10}{'hello':>10}{'vllm-wizard 0.2.0':>20}")
    for name, wizard, hello in rows:
        print(f"{name:38}{wizard:10,.1f}" + (f"{hello:10,.1f}" if hello is not None else ""))
    for words, name in (
        ("plan --json from cold, ms", "cold"),
        ("the same, processor ms", "cold processor"),
        ("import of the planner, processor ms", "import"),
        ("run_plan, again, processor ms", "run_plan"),
        ("sweep of 1,000 plans, processor ms", "sweep"),
    ):
        print(f"{words:38}{middle[f'{name}, ours']:10,.2f}{'':10}{middle[f'{name}, theirs']:20,.2f}")
    print(f"{'table of alternatives, processor ms':36}{middle['alternatives']:10,.2f}")
    print(f"\nasked of both: {shlex.join(question)}, where the directory holds the config.json of {MODELS[0]}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
