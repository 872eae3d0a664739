"""Machines as bad as they come: no home, a full disk, no right to write, a clock that jumps. Nothing is lost."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import PROGRAMS
from tests.planning.conftest import LLAMA_8B
from tests.tui.conftest import opened, text_of, until

ROOT = Path(__file__).parents[1]
# runs several command lines in one process, as a start of Python for each would take most of the time
SEVERAL = """
import json, sys
from wizard_tui import cli
for line in json.loads(sys.argv[1]):
    print("exit", cli.run(line), flush=True)
"""
# a wizard that is opened, changed, and left
WIZARD = """
import asyncio, json, sys
from wizard_tui.hardware.gpu import Detection
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.sources import Sources
from wizard_tui.tui.state_file import StateFile

async def session():
    app = WizardApp(state_file=StateFile(), sources=Sources(detect=lambda: Detection()))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        left = app.session.left
        app.session.set({"model.model": sys.argv[1], "workload.concurrency": "7"})
        app.session.step = "model"
        app.action_leave()
    print(json.dumps({"left": left and left.model}))

asyncio.run(session())
"""
# a user id that the password file does not have
NO_SUCH_USER = """
import pwd

def getpwuid(number):
    raise KeyError(number)

pwd.getpwuid = getpwuid
"""
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2


def ran(
    arguments: list[str],
    *,
    umask: int = -1,
    limit_bytes: int | None = None,
    cwd: Path = ROOT,
    **environ: str | None,
) -> subprocess.CompletedProcess[str]:
    """Run Python with an environment of its own, and without root's right to write everywhere."""
    # a limit on files would also cut the byte code that Python keeps beside the modules
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def prepare() -> None:
        libc = ctypes.CDLL(None)
        for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # refused to those who never had it
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, errors="replace", cwd=cwd,
        env={name: value for name, value in (kept | environ).items() if value is not None},
        umask=umask, preexec_fn=prepare, timeout=120,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def commands(*lines: tuple[object, ...], before: str = "", **further: object) -> tuple[list[int], str]:
    """Run command lines one after the other, `before` them other code; their exit codes, and what was on stderr."""
    done = ran(["-c", before + SEVERAL, json.dumps([[str(word) for word in line] for line in lines])], **further)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return [int(line[5:]) for line in done.stdout.splitlines() if line.startswith("exit ")], done.stderr


def wizard(model: object, before: str = "", **further: object) -> str | None:
    """Open the wizard, plan a model and leave it; the model of the session that it offered to go on with."""
    done = ran(["-c", before + WIZARD, str(model)], **further)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    left: str | None = json.loads(done.stdout.splitlines()[-1])["left"]
    return left


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(LLAMA_8B))
    return tmp_path / "model"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """A home directory, all of it within the test's own."""
    (tmp_path / "home").mkdir()
    return {"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "state")}


def sessions(home: dict[str, str]) -> list[Path]:
    return sorted(Path(home["XDG_STATE_HOME"]).rglob("sessions/*.json"))


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": None},
        {"HOME": "/proc", "XDG_STATE_HOME": "/proc/x", "XDG_CACHE_HOME": "/proc/y"},
        {"LANG": "C", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"XDG_STATE_HOME": "", "XDG_CACHE_HOME": "relative", "TERM": "dumb"},
        {
            "TERM": None,
            "COLUMNS": "1",
            "CUDA_VISIBLE_DEVICES": "nonsense,,-1",
            "HF_HOME": "/dev/null",
            "HF_ENDPOINT": "not an address",
        },
        {"HF_HUB_DOWNLOAD_TIMEOUT": "soon"},
    ],
    ids=lambda environ: " ".join(f"{name}={value}" for name, value in environ.items()),
)
def test_a_plan_needs_no_home_no_locale_and_no_terminal(model: Path, environ: dict[str, str | None]) -> None:
    codes, said = commands(
        ("plan", "-m", model, "--gpu", "H100"), ("servers",), ("calibration", "show"), ("detect",),
        ("models", "search", "qwen3"), ("plan", "-m", "org/nothing", "--gpu", "H100"), **environ,
    )  # fmt: skip
    assert codes[:3] == [0, 0, 0], said
    assert codes[-1] == 2, "it is not there, and the Hub is not asked"
    # one sentence each of the search, which goes on without the Hub, and of the last plan
    assert len(said.splitlines()) == 2, said


def test_the_wizard_needs_no_home_and_no_locale(model: Path, tmp_path: Path) -> None:
    assert wizard(model, HOME="/proc", LANG="C", LC_ALL="C") is None
    # without HOME the home is that of the password file, which is not the test's to write in
    assert wizard(model, HOME=None, XDG_STATE_HOME=str(tmp_path)) is None


def test_a_user_that_nobody_knows_has_no_home(tmp_path: Path) -> None:
    """As containers start with a number in the place of a user: no name, no home, nothing that could be written."""
    nobody = {"HOME": None, "PYTHONPATH": str(ROOT), "cwd": tmp_path, "before": NO_SUCH_USER}
    gpu = ("-m", "Qwen/Qwen3-8B", "--gpu", "H100")
    lines = (("plan", *gpu), ("servers",), ("doctor", *gpu), ("calibration", "show"), ("generate", *gpu, "-o", "~/out"))
    codes, said = commands(*lines, **nobody)
    assert [codes[0], codes[1], codes[3], codes[4]] == [0, 0, 0, 2], said
    assert "~/out is nowhere, as there is no such home directory" in said
    assert wizard("Qwen/Qwen3-8B", **nobody) is None
    assert list(tmp_path.iterdir()) == [], "no directory that is called ~"


@pytest.mark.parametrize("place", ["~nobody-of-that-name/x", "x" * 300, "/dev/null/x", "/proc/x"])
def test_a_directory_that_cannot_be_is_said(model: Path, place: str) -> None:
    codes, said = commands(("generate", "-m", model, "--gpu", "H100", "-o", place), ("servers",), HF_HOME=place[:20])
    assert codes == [2, 0]
    assert len(said.splitlines()) == 1, said
    assert "Errno" not in said


def test_a_home_that_cannot_be_written_costs_nothing_but_the_saved_session(model: Path, home: dict[str, str]) -> None:
    Path(home["HOME"]).chmod(0o500)
    closed = {"HOME": home["HOME"]}
    assert wizard(model, **closed) is None
    codes, said = commands(
        ("plan", "-m", model, "--gpu", "H100"), ("calibration", "clear"),
        ("generate", "-m", model, "--gpu", "H100", "-o", f"{home['HOME']}/out"), **closed,
    )  # fmt: skip
    assert codes == [0, 0, 2]
    assert f"{home['HOME']}/out cannot be written: Permission denied; make room there" in said
    assert list(Path(home["HOME"]).iterdir()) == []


def test_a_full_disk_is_said_and_leaves_what_was_there(model: Path, tmp_path: Path, home: dict[str, str]) -> None:
    out = tmp_path / "out"
    line = ("generate", "-m", model, "--gpu", "H100", "-o", out)
    assert commands(line)[0] == [0]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    codes, said = commands((*line, "--concurrency", "9", "--force"), limit_bytes=100)
    assert codes == [2]
    assert f"{out} cannot be written: File too large" in said
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    assert wizard(model, **home) is None
    (saved,) = sessions(home)
    kept = saved.read_bytes()
    assert wizard("org/other", **home, limit_bytes=100) == str(model), "the session is still offered"
    assert saved.read_bytes() == kept, "and it is still there when the next one could not be saved"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("line", ["plan --json -m {model} --gpu H100", "servers"])
def test_an_output_that_takes_nothing_is_said(model: Path, line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "wizard_tui", *line.format(model=model).split()], stdout=full,
            stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert done.returncode != 0
    assert done.stderr.strip() == "vllm-wizard-tui: the output cannot be written: No space left on device"


def test_what_is_written_is_private_whatever_the_umask(model: Path, tmp_path: Path, home: dict[str, str]) -> None:
    commands(("generate", "-m", model, "--gpu", "H100", "-o", tmp_path / "out", "--emit", "all"), umask=0, **home)
    wizard(model, umask=0, **home)
    written = [path for top in ("out", "state") for path in (tmp_path / top).rglob("*")]
    assert len([path for path in written if path.is_file()]) > 10
    others = {str(path): oct(mode) for path in written if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o022}
    assert others == {}, "others may write"
    readable = [path.name for path in sessions(home) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert readable == []


@pytest.mark.parametrize("place", ["", "servers"])
def test_a_state_folder_that_others_may_write_is_said_and_left_alone(
    model: Path, home: dict[str, str], place: str
) -> None:
    folder = Path(home["XDG_STATE_HOME"]) / "vllm-wizard-tui" / place
    folder.mkdir(parents=True, mode=0o700)
    folder.chmod(0o777)
    launch = ("launch", "-m", model, "--gpu", "H100", "--force", "--detach")
    stand_in = {**home, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}
    codes, said = commands(("servers",), ("servers", "stop", "x"), ("calibration", "show"), **home)
    assert codes == [0, 2, 0]
    assert said.count(f"{folder} may be written by others") == (2 if place else 0)
    if place:
        codes, said = commands(launch, **stand_in)
        assert codes == [2]
        assert f"the server cannot be started: {folder} may be written by others" in said
    assert list(folder.iterdir()) == []
    assert wizard(model, **home) is None, "and the wizard opens"


async def test_launch_opens_beside_records_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "vllm-wizard-tui" / "servers"
    folder.mkdir(parents=True, mode=0o700)
    for number, text in enumerate(("", "{", '{"version": 2}', '{"way": "nonsense"}', '{"handle": "none"}', "[[]]")):
        (folder / f"vllm-a-{number}.json").write_text(text)
    async with opened((120, 36)) as pilot:
        await pilot.press(*["ctrl+n"] * 6)
        await until(pilot, lambda: "some records are not used" in text_of(pilot, "#launch-head"))
    assert len(list(folder.iterdir())) == 6


@pytest.mark.parametrize("seconds", [10**9, -(10**9)], ids=lambda seconds: f"{seconds:+}s")
def test_a_session_survives_a_clock_that_jumps(model: Path, home: dict[str, str], seconds: int) -> None:
    """Saved by a clock that is ahead or behind, then looked for by the right one."""
    assert wizard(model, **home) is None
    (saved,) = sessions(home)
    at = saved.stat().st_mtime + seconds
    os.utime(saved, (at, at))
    assert wizard("org/other", **home) == str(model)
    assert saved not in sessions(home), "what was gone on with has its successor on disk"
    assert wizard("org/third", **home) == "org/other"


def set_back(path: Path) -> None:
    path.write_text(path.read_text().replace('"saved_at": ', '"saved_at": 9'))


@pytest.mark.parametrize("spoil", [set_back, lambda path: path.write_text("{"), lambda path: path.write_bytes(b"")])
def test_what_is_kept_of_the_hub_is_asked_for_again_when_its_time_makes_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    from wizard_tui.models import disk_cache
    from wizard_tui.models.from_config import metadata_from_config

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    disk_cache.save("org/model", None, metadata_from_config(LLAMA_8B, model_id="org/model", source="config"))
    assert disk_cache.load("org/model", None) is not None
    (kept,) = tmp_path.rglob("*.json")
    spoil(kept)
    assert disk_cache.load("org/model", None) is None
    assert (disk_cache.load("org/model", None, however_old=True) is not None) == (spoil is set_back)
