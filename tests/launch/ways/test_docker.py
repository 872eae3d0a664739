"""A server in a container, with a program that stands in for docker. What Compose shares is tested here too."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.launch.conftest import planned
from tests.launch.ways.conftest import CONTAINER
from wizard_tui.launch import process, ways
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start
from wizard_tui.launch.watch import ENDED, Watch


def test_a_container_is_started_by_arguments(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/data/my cache; rm -rf /")
    monkeypatch.setenv("KEY", "sk-planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = start(replace(launch, environ=os.environ), "docker", records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    run = next(call for call in recorder() if call[1] == "run")
    assert run[run.index("--name") + 1] == "vllm-llama-8b"
    assert Path(record.handle).read_text() == f"{CONTAINER}\n"
    # one argument, whatever is in it
    assert "/data/my cache; rm -rf /:/root/.cache/huggingface" in run
    assert run[run.index("--publish") + 1] == f"127.0.0.1:{port}:{port}" or f"127.0.0.1:{port}" in " ".join(run)
    # one that fails is not started again, and its name is free for the next
    assert "--rm" in run
    assert not {"--restart", "--detach"} & set(run)
    assert not any("planted" in word for call in recorder() for word in call)
    assert ways.is_running(record)
    assert ways.stop(record)
    assert "INT" in record.log_path.read_text()
    assert not ways.is_running(record)
    assert not any(call[1] in ("stop", "rm") for call in recorder())


@pytest.mark.parametrize(
    ("way", "end"), [("docker", ["stop", "--time", "30"]), ("compose", ["down", "--timeout", "30"])]
)
def test_a_container_whose_client_is_gone_is_found_and_ended(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, way: str, end: list[str]
) -> None:
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    os.kill(int(record.client.partition(":")[0]), signal.SIGKILL)
    wait_for(lambda: not process.is_running(record.client))
    assert ways.is_running(record)
    assert ways.stop(record)
    (call,) = [call for call in recorder() if set(end) <= set(call)]
    assert call[-2:] == ["--", CONTAINER] or way == "compose"
    assert not ways.is_running(record)


@pytest.mark.parametrize("way", ["docker", "compose"])
def test_a_process_that_got_the_pid_of_the_client_is_not_ended(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, way: str
) -> None:
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    pid, _, begun = record.client.partition(":")
    assert ways.stop(replace(record, client=f"{pid}:{int(begun) - 1}")), "docker itself has ended the container"
    assert "INT" not in record.log_path.read_text()
    assert any({"stop", "down"} & set(call) for call in recorder())


@pytest.mark.parametrize("text", ["", "--all", "0123abcd", "vllm-llama-8b", f"{CONTAINER} --all", "é" * 64, "0" * 200])
def test_a_text_that_is_not_a_container_id_is_not_given_to_docker(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, text: str
) -> None:
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), "docker", records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    record.id_file.write_text(text)
    assert ways.stop(record)
    assert not any({"stop", "rm", "inspect"} & set(call) for call in recorder())


def test_another_container_of_that_name_is_neither_followed_nor_stopped(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "RECORDER_SAYS", 'docker: Error response from daemon: Conflict. The container name "/x" is already in use by'
    )
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), "docker", records)
    wait_for(lambda: not process.is_running(record.client))
    monkeypatch.delenv("RECORDER_SAYS")
    assert not ways.is_running(record)
    assert ways.stop(record)
    assert not any(call[1] in ("stop", "rm") for call in recorder())


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ('could not select device driver "" with capabilities: [[gpu]].', "Container Toolkit"),
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "the docker daemon does not answer"),
    ],
)
def test_a_refusal_by_docker_is_read_like_any_other_ending(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch,
    said: str, cause: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECORDER_SAYS", f"docker: Error response from daemon: {said}")
    response, launch = planned(port)
    watch = Watch(start(replace(launch, environ=os.environ), "docker", records), response)

    def ended() -> bool:
        watch.poll()
        return watch.state == ENDED

    wait_for(ended)
    assert watch.failure is not None
    assert cause in watch.failure.cause
    watch.close()


PUBLISHED = '{"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "PORT"}], "9000/tcp": null}'


@pytest.mark.parametrize("way", ["docker", "compose"])
@pytest.mark.parametrize(
    ("ports", "endpoint", "owns"),
    [
        (PUBLISHED, "unix:///run/user/1000/docker.sock", True),
        (PUBLISHED.replace("127.0.0.1", "0.0.0.0"), "unix:///run/docker.sock", True),
        (PUBLISHED.replace("127.0.0.1", "192.168.1.5"), "unix:///run/docker.sock", False),
        (PUBLISHED.replace("PORT", "1"), "unix:///run/docker.sock", False),
        (PUBLISHED, "ssh://gpu-box", None),
        (PUBLISHED, "tcp://10.0.0.5:2376", None),
        *((text, "unix:///run/docker.sock", False) for text in ("", "{}", "null", "[1]", '{"a": [{}]}', '{"a": 7}')),
    ],
)
def test_a_container_owns_what_the_docker_of_this_machine_publishes(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch,
    way: str, ports: str, endpoint: str, owns: bool | None,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECORDER_PORTS", ports.replace("PORT", str(port)))
    monkeypatch.setenv("RECORDER_ENDPOINT", endpoint)
    _, launch = planned(port)
    record = start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    assert ways.owns_port(record) is owns
    ways.stop(record)
    assert ways.owns_port(record) is (None if owns is None else False), "a container that is gone owns nothing"
