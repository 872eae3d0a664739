"""Files that are none: loops, pipes, devices, 4 GiB of nothing, bombs. Each is refused in a sentence that names it."""

from __future__ import annotations

import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Ran, Run
from tests.models.gguf_file import llama
from tests.planning.conftest import LLAMA_8B
from wizard_tui.cli.inputs import opened_lines
from wizard_tui.launch.failures import FailureReader
from wizard_tui.launch.startup_log import StartupLog
from wizard_tui.models.load import load_model_metadata

SMALL = settings(max_examples=60, deadline=None, derandomize=True, database=None,
                 suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
LARGE_BYTES = 4 << 30
GPU = ("--gpu", "H100 80GB")
STARTED = "INFO 11-02 09:00:20 [gpu_model_runner.py:1] Model loading took 15.0 GiB memory and 4.1 seconds\n"
READY = "INFO:     Application startup complete.\n"


@pytest.fixture(autouse=True)
def offline(not_for_ever: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def loop(path: Path) -> None:
    path.symlink_to(path)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(LARGE_BYTES)


def directory(path: Path) -> None:
    path.mkdir()


def socket(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


def long_number(path: Path) -> None:
    path.write_text('{"model_type": "llama", "hidden_size": 1' + "0" * 5000 + "}")


def bomb(path: Path) -> None:
    path.write_text("[" * 100_000)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 64)


def empty(path: Path) -> None:
    path.touch()


BAD = (loop, fifo, device, large, directory, long_number, bomb, binary, empty)
KINDS = ("config.json", "hf_quant_config.json", "model.safetensors.index.json", "model.safetensors", "model.gguf",
         "profile.yaml", "vllm.log", "requests.jsonl")  # fmt: skip
# no request, no answer
HARMLESS = {("requests.jsonl", empty)}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
@pytest.mark.parametrize("name", KINDS)
def test_a_file_that_is_none_is_refused_in_one_sentence(
    run: Run, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if name != "config.json":
        (folder / "config.json").write_text(json.dumps(LLAMA_8B))
    path = folder / name
    make(path)
    if (name, make) == ("requests.jsonl", large):
        # requests are read to the end, however many there are
        os.truncate(path, 64 << 20)
    tracemalloc.start()
    try:
        ran = _read(run, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "Traceback" not in ran.err + ran.out
    assert peak < 128 << 20
    lines = ran.err.strip().splitlines()
    if ran.code == 0:
        assert (name, make) in HARMLESS
        return
    assert ran.code in (1, 2)
    assert lines, "nothing is said"
    assert len(lines) == 1 or name == "requests.jsonl", lines
    assert all(line.isprintable() and len(line) < 400 for line in lines)
    assert name in ran.err or "log" in ran.err or "line 1" in ran.err, lines


def _read(run: Run, path: Path) -> Ran:
    if path.suffix == ".yaml":
        return run("plan", "--profile", path)
    if path.suffix == ".log":
        return run("verify", path, "-m", "Qwen/Qwen3-8B", *GPU)
    if path.suffix == ".jsonl":
        return run("plan", "--batch", path)
    return run("plan", "-m", path if path.suffix == ".gguf" else path.parent, *GPU)


@pytest.mark.parametrize(
    "name",
    ["\0", "a\0b", "x" * 300, "/" + "x" * 5000, "~nobody-of-that-name/model", "./\ud800", "\x1b[31m", "//", "/dev/zero",
     "/dev/full", "/proc/self/mem", "."],
)  # fmt: skip
def test_any_name_of_a_model_is_one_sentence(name: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_model_metadata(name)
    sentence = str(caught.value)
    assert sentence
    assert len(sentence) < 6000
    assert "\n" not in sentence
    assert "Errno" not in sentence
    assert "embedded null" not in sentence or "cannot be read" in sentence


@SMALL
@given(st.binary(max_size=400))
def test_any_bytes_as_a_gguf_file_give_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + data)
    with pytest.raises(ValueError, match=r"m\.gguf"):
        load_model_metadata(str(path))


@SMALL
@given(st.integers(0, len(llama()) - 1), st.binary(min_size=1, max_size=9))
def test_a_gguf_file_of_which_a_few_bytes_are_others(tmp_path: Path, at: int, data: bytes) -> None:
    path = tmp_path / "m.gguf"
    whole = llama()
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    try:
        load_model_metadata(str(path))
    except ValueError as error:
        assert "m.gguf" in str(error)
        assert "\n" not in str(error)


# logs


@SMALL
@given(st.lists(st.text(max_size=200) | st.sampled_from(
    ["Model loading took", "Model loading took 1.2.3 GiB", "GPU KV cache size: , tokens", "ValueError: ",
     "non-default args: {'model': ", "non-default args: {" + "'a': [" * 99, "Maximum concurrency for 0 tokens",
     "\x1b[31m", "\r", STARTED, READY])))  # fmt: skip
def test_any_lines_as_a_log_are_read(lines: list[str]) -> None:
    log, reader = StartupLog(), FailureReader()
    for line in lines:
        log.feed(line)
        reader.feed(line, log.stage)
    reader.failure(None, None)
    assert isinstance(log.arguments, dict)
    assert log.ready == any(line == READY for line in lines)


def lines_of(path: Path, **limits: float) -> list[str]:
    with opened_lines(path, 100, **limits) as lines:
        return list(lines)


def test_a_long_line_is_given_once_and_half_a_line_too(tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    path.write_bytes(b"first\n" + b"x" * 5000 + b"\nlast without an end \xff\xfe")
    assert [line[:20] for line in lines_of(path)] == ["first\n", "x" * 20, "last without an end "]


def test_of_a_log_of_many_gib_only_the_start_is_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "vllm.log"
    with path.open("w") as file:
        file.write("INFO 11-02 09:00:00 [utils.py:233] vLLM server version 0.31.0\n" + STARTED + READY)
        file.write(STARTED.replace("15.0", "77.0"))
        file.truncate(LARGE_BYTES)
    ran = run("verify", path, "-m", "Qwen/Qwen3-8B", *GPU)
    assert "15.00" in ran.out, ran.err
    assert "77.00" not in ran.out, "that is another start, and the file does not end"


def test_a_log_without_an_end_is_not_read_to_it() -> None:
    class Endless(io.StringIO):
        taken = 0

        def readline(self, size: int | None = -1, /) -> str:
            self.taken += 100
            return "x" * 99 + "\n"

    from wizard_tui.cli.inputs import _bounded

    endless = Endless()
    assert len(list(_bounded(endless, 1000, 1 << 16))) == endless.taken // 100
    assert endless.taken <= (1 << 16) + 200
