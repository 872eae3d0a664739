"""Following a server: stages, ready, and why it ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.launch.conftest import planned
from tests.planning.conftest import facts
from wizard_tui.launch import ways
from wizard_tui.launch.downloads import downloaded_bytes, hub_cache
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start
from wizard_tui.launch.watch import ENDED, READY, SERVING, STARTING, Watch
from wizard_tui.planning.decide import decide


def polled(watch: Watch, state: str) -> list[str]:
    lines: list[str] = []

    def look() -> bool:
        lines.extend(watch.poll())
        return watch.state == state

    wait_for(look)
    return lines


def test_a_start_comes_to_ready_with_its_figures(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in(log=["Model loading took 14.99 GiB memory and 2.7 seconds"])
    response, launch = planned(port)
    watch = Watch(start(launch, "process", records), response)
    lines = polled(watch, READY)
    assert any("Model loading took" in line for line in lines)
    watch.measure()
    # what the log says wins over the metric
    assert watch.log.values["kv_cache_tokens"] == 16000
    assert watch.log.values["max_concurrency"] == 4.0
    assert watch.log.values["weights_gib"] == 14.99
    assert {stage.state for stage in watch.stages()} == {"done"}
    assert watch.failure is None
    watch.stopped_by_user = True
    ways.stop(watch.record)
    polled(watch, ENDED)
    assert watch.failure is None
    watch.close()


def test_an_ending_is_read_from_the_log(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in(fail=["OSError: [Errno 98] Address already in use"])
    response, launch = planned(port)
    watch = Watch(start(launch, "process", records), response, decide(launch.request, facts()))
    polled(watch, ENDED)
    failure = watch.failure
    assert failure is not None
    assert failure.name == "port"
    assert failure.cause == f"another program listens on port {port} already"
    assert int(failure.patch["policy"]["port"]) > port
    watch.close()


def test_a_death_after_ready_is_noticed(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in(end_after_s=0.5)
    response, launch = planned(port)
    watch = Watch(start(launch, "process", records), response)
    polled(watch, READY)
    assert "the process ended with exit code 1" in polled(watch, ENDED)
    assert watch.failure is None
    watch.close()


def test_of_a_server_that_the_system_kills_only_the_signal_is_known(
    stand_in: Callable[..., None], records: Records, port: int
) -> None:
    stand_in()
    response, launch = planned(port)
    watch = Watch(start(launch, "process", records), response)
    polled(watch, READY)
    os.kill(int(watch.record.handle.partition(":")[0]), signal.SIGKILL)
    polled(watch, ENDED)
    assert watch.failure is not None
    assert watch.failure.name == "host memory"
    assert "signal 9 (SIGKILL)" in watch.failure.evidence
    watch.close()


def test_another_server_on_the_port_is_not_taken_for_this_one(
    stand_in: Callable[..., None], records: Records, port: int
) -> None:
    stand_in()
    response, launch = planned(port)
    first = Watch(start(launch, "process", records), response)
    polled(first, READY)
    second = Watch(start(launch, "process", records), response, decide(launch.request, facts()))
    states = set()

    def ended() -> bool:
        second.poll()
        states.add(second.state)
        return second.state == ENDED

    wait_for(ended)
    assert READY not in states
    assert second.failure is not None
    assert second.failure.name == "port"
    first.close()
    second.close()


@pytest.mark.parametrize("tells", [True, False], ids=["the system tells whose it is", "it does not"])
def test_a_server_is_not_ready_when_another_program_answers_on_its_port(
    stand_in: Callable[..., None], records: Records, port: int, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    if not tells:
        monkeypatch.setattr(ways, "owns_port", lambda record: None)
    stand_in(deaf=True)
    response, launch = planned(port)
    watch = Watch(start(launch, "process", records), response)
    stand_in()
    other = start(launch, "process", records)

    def both() -> bool:
        watch.poll()
        return watch.log.stage in SERVING and "startup complete" in other.log_path.read_text()

    wait_for(both)
    watch.poll()
    assert watch.state == (STARTING if tells else READY), "where nobody tells, the log is believed"
    assert watch.port_is_anothers is tells
    ways.stop(other)
    watch.poll()
    assert not watch.port_is_anothers
    watch.close()


def written(tmp_path: Path, text: str) -> Watch:
    log = tmp_path / "vllm.log"
    log.write_bytes(text.encode())
    record = Record("vllm-x", "process", "4194304:1", str(log), "http://127.0.0.1:9", time.time(), {})
    return Watch(record)


def test_progress_of_shards_and_graphs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "is_running", lambda record: True)
    watch = written(tmp_path, "Loading safetensors checkpoint shards:  43% Completed | 3/7 [00:01<00:01]\r")
    watch.poll()
    now = next(stage for stage in watch.stages() if stage.state == "now")
    assert (now.name, now.share, now.detail) == ("load", pytest.approx(3 / 7), "3 of 7 shards")
    assert watch.state == STARTING
    with watch.record.log_path.open("a") as file:
        file.write("GPU KV cache size: 5,000 tokens\nCapturing CUDA graphs (FULL):  50%|#####  |\r")
    watch.poll()
    now = next(stage for stage in watch.stages() if stage.state == "now")
    assert (now.name, now.share) == ("graphs", 0.5)
    watch.close()


def test_half_a_line_waits_for_its_other_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "is_running", lambda record: True)
    watch = written(tmp_path, "first\nAvailable KV cache mem")
    assert watch.poll() == ["first"]
    with watch.record.log_path.open("a") as file:
        file.write("ory: 5.25 GiB\n")
    watch.poll()
    assert watch.log.values["available_kv_gib"] == 5.25
    watch.close()


def test_a_binary_flood_without_a_line_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "is_running", lambda record: True)
    watch = written(tmp_path, "\x00\xff" * 2_000_000)
    for _ in range(10):
        watch.poll()
    assert len(watch._rest) <= 1 << 16
    watch.close()


def test_terminal_escapes_do_not_get_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "is_running", lambda record: True)
    watch = written(tmp_path, "\x1b]52;c;aGk=\x07\x1b[31mred\x1b[0m\u202e\n")
    (line,) = watch.poll()
    assert line == "red"
    watch.close()


def test_a_download_is_seen_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways, "is_running", lambda record: True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    blobs = tmp_path / "hub/models--test--llama-8b/blobs"
    blobs.mkdir(parents=True)
    response, _ = planned(9)
    response = response.model_copy(
        update={
            "config": response.config.model_copy(
                update={"deployment": response.config.deployment.model_copy(update={"download_bytes": 8 << 20})}
            )
        }
    )
    clock = [100.0]
    watch = Watch(written(tmp_path, "").record, response, clock=lambda: clock[0])
    (blobs / "a.incomplete").write_bytes(b"x" * (1 << 20))
    watch.poll()
    clock[0] = 101.0
    (blobs / "b").write_bytes(b"y" * (1 << 20))
    watch.poll()
    stage = watch.stages()[0]
    assert (stage.name, stage.state) == ("download", "now")
    assert stage.share == pytest.approx(0.25, abs=0.01)
    assert "1 MB/s" in stage.detail
    with watch.record.log_path.open("a") as file:
        file.write("Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:01<00:01]\n")
    watch.poll()
    assert watch.stages()[0].state == "done"
    watch.close()


def test_a_model_that_is_not_in_the_cache_has_no_bytes(tmp_path: Path) -> None:
    assert downloaded_bytes("no/such", tmp_path) == 0


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({"HF_HUB_CACHE": "/a"}, "/a"),
        ({"HF_HOME": "/b"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_where_the_hubs_cache_is(environ: dict[str, str], place: str) -> None:
    assert str(hub_cache(environ)) == place
