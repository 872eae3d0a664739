"""Machines and files as bad as they come: each ends in one plain sentence, or does not matter at all."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.planning.conftest import LLAMA_8B
from wizard_tui.launch.failures import FailureReader
from wizard_tui.launch.startup_log import StartupLog
from wizard_tui.models.from_config import metadata_from_config
from wizard_tui.models.load import load_model_metadata
from wizard_tui.schemas.profile import load_profile

SMALL = settings(max_examples=80, deadline=None)
PLAN = ("plan", "--gpu", "H100", "-m")


def command(*arguments: object, umask: int = -1, limit_bytes: int | None = None, **environ: str | None) -> str:
    """Run the command line; what it wrote to stderr. Any traceback fails the test, as does a hang."""
    # a limit on files would also cut the byte code that Python keeps beside the modules
    kept = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    given_environ = {name: value for name, value in (kept | environ).items() if value is not None}

    def prepare() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    done = subprocess.run(
        [sys.executable, "-m", "wizard_tui", *map(str, arguments)], capture_output=True, text=True, check=False,
        env=given_environ, umask=umask, preexec_fn=prepare, timeout=60, errors="replace",
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode in (0, 1, 2), done.stderr
    if done.returncode == 2:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return f"{done.returncode} {done.stderr.strip()}"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(LLAMA_8B))
    return tmp_path / "model"


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": None},
        {"HOME": "/nonexistent"},
        {"HOME": "/proc", "XDG_STATE_HOME": "/proc/x", "XDG_CACHE_HOME": "/proc/y"},
        {"LANG": "C", "LC_ALL": "C"},
        {"LANG": "C", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"XDG_STATE_HOME": "", "XDG_CACHE_HOME": "relative"},
        {"TERM": "dumb"},
        {"TERM": None, "COLUMNS": "1"},
        {"HF_HOME": "/dev/null"},
        {"HF_ENDPOINT": "not an address"},
        {"CUDA_VISIBLE_DEVICES": "nonsense,,-1"},
    ],
    ids=lambda environ: " ".join(f"{name}={value}" for name, value in environ.items()),
)
def test_a_plan_needs_no_home_no_locale_and_no_terminal(model: Path, environ: dict[str, str | None]) -> None:
    assert command(*PLAN, model, **environ).startswith("0")
    command("detect", **environ)
    command("servers", **environ)


def test_a_disk_that_is_full_is_said(model: Path, tmp_path: Path) -> None:
    said = command("generate", "--gpu", "H100", "-m", model, "--output-dir", tmp_path / "out", limit_bytes=100)
    assert said.startswith("2")
    assert "out" in said
    assert not list((tmp_path / "out").glob("*.sh")), "nothing is left half written"


def test_a_home_that_cannot_be_written_costs_nothing(model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    assert command(*PLAN, model, HOME=str(home)).startswith("0")


def test_what_is_written_is_private_whatever_the_umask(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command("generate", "--gpu", "H100", "-m", model, "--output-dir", out, umask=0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}
    assert modes
    assert not [name for name, mode in modes.items() if mode & 0o022]


def loop(path: Path) -> None:
    path.symlink_to(path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(4 << 30)


def directory(path: Path) -> None:
    path.mkdir()


def unreadable_numbers(path: Path) -> None:
    path.write_text('{"model_type": "llama", "hidden_size": 1' + "0" * 5000 + "}")


def bomb(path: Path) -> None:
    path.write_text("[" * 200_000)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize("make", [loop, fifo, huge, directory, unreadable_numbers, bomb, binary, empty])
@pytest.mark.parametrize("name", ["config.json", "profile.yaml", "vllm.log", "model.gguf", "model.safetensors"])
def test_a_file_that_is_none_is_refused_in_one_sentence(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    make(path)
    if name == "profile.yaml":
        said = command("plan", "--profile", path)
    elif name == "vllm.log":
        command("verify", path, "-m", "Qwen/Qwen3-8B", "--gpu", "H100")
        return
    elif name == "model.gguf":
        said = command(*PLAN, path)
    else:
        if name == "model.safetensors":
            # headers are a help: a model whose config is fine is planned without them
            (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
            command(*PLAN, tmp_path)
            return
        said = command(*PLAN, tmp_path)
    assert said.startswith("2"), said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@SMALL
@given(st.dictionaries(st.sampled_from([*LLAMA_8B, "quantization_config", "text_config", "num_experts", "head_dim",
                                        "layer_types", "sliding_window", "tie_word_embeddings"]), JSON))  # fmt: skip
def test_any_config_gives_facts_or_one_sentence(changed: dict[str, object]) -> None:
    try:
        metadata_from_config(LLAMA_8B | changed, model_id="test/any", source="config")
    except ValueError as error:
        assert str(error)


@SMALL
@given(st.binary(max_size=400))
def test_any_bytes_as_a_gguf_file_give_one_sentence(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + data)
    with pytest.raises(ValueError, match=r"."):
        load_model_metadata(str(path))


@SMALL
@given(st.binary(max_size=400), st.integers(0, 2**64 - 1))
def test_any_bytes_as_a_tensor_header_leave_the_config(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int
) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text(json.dumps(LLAMA_8B))
    (folder / "model.safetensors").write_bytes(length.to_bytes(8, "little") + data)
    try:
        load_model_metadata(str(folder))
    except ValueError as error:
        assert str(error)


@SMALL
@given(st.text(max_size=300))
def test_any_text_as_a_profile_gives_a_profile_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("profile") / "p.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        load_profile(path)
    except ValueError as error:
        assert str(error)


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("!!python/object/apply:os.system ['touch owned']\n")
    said = command("plan", "--profile", path)
    assert said.startswith("2")
    assert not Path("owned").exists()


@SMALL
@given(st.lists(st.text(max_size=200) | st.sampled_from(["Model loading took", "GPU KV cache size: ", "ValueError: "])))
def test_any_lines_as_a_log_are_read(lines: list[str]) -> None:
    log, reader = StartupLog(), FailureReader()
    for line in lines:
        log.feed(line)
        reader.feed(line, log.stage)
    reader.failure(None, None)


def test_a_log_of_half_a_gigabyte_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    with path.open("wb") as file:
        file.write(b"INFO Model loading took 15.0 GiB memory and 4.1 seconds\n")
        file.truncate(512 << 20)  # one line of zeros
    code = (
        "import resource, sys; from wizard_tui import cli;"
        f"resource.setrlimit(resource.RLIMIT_AS, (1200 << 20, 1200 << 20));"
        f"sys.exit(cli.run(['verify', {str(path)!r}, '-m', 'Qwen/Qwen3-8B', '--gpu', 'H100']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "MemoryError" not in done.stderr
    assert "Traceback" not in done.stderr
