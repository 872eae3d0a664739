"""Starting and stopping a server by each way, with programs that stand in for vLLM, docker and systemd."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROGRAMS, wait_for
from tests.launch.conftest import planned
from wizard_tui.launch import process, ways
from wizard_tui.launch.client import Client
from wizard_tui.launch.records import Record, Records
from wizard_tui.launch.watch import ENDED, Watch

# says what it was called with, or refuses in the words of RECORDER_SAYS; docker stays in the foreground as `docker run`
# and `docker compose up` do, until a signal takes it and its container away
RECORDER = """#!/bin/sh
{ printf '%s\\n' "$0" "$@" '--end--'; } >> "$CALLS"
[ -n "$RECORDER_SAYS" ] && { echo "$RECORDER_SAYS" >&2; exit 125; }
case "$*" in
  "context inspect "*) echo "${RECORDER_ENDPOINT:-unix:///run/docker.sock}" ;;
  *inspect*Ports*) echo "$RECORDER_PORTS" ;;
  *inspect*" vllm-llama-8b") echo true ;;  # somebody else's, which runs
  *inspect*) [ -e "$CALLS.up" ] && echo true ;;
  *"ps --quiet"*) [ -e "$CALLS.up" ] && echo 0123 ;;
  "stop "* | "rm --force"* | *" down "*) rm -f "$CALLS.up" ;;
  "run "* | *" up "*)
    touch "$CALLS.up"
    [ "$2" = --cidfile ] && printf '%064d\\n' 123 > "$3"
    echo "Pulling image: 43 %"
    trap 'echo INT; rm -f "$CALLS.up"; exit 130' INT
    while [ -e "$CALLS.up" ]; do sleep 0.05; done ;;
  *is-active*) echo active ;;
  *ControlGroup*) echo "$RECORDER_GROUP" ;;
esac
exit 0
"""
CONTAINER = f"{123:064}"


@pytest.fixture
def recorder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """docker, systemd-run and systemctl that write down their arguments; gives the calls so far."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("docker", "systemd-run", "systemctl"):
        (programs / name).write_text(RECORDER)
        (programs / name).chmod(0o755)
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    monkeypatch.delenv("RECORDER_SAYS", raising=False)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}")

    def so_far() -> list[list[str]]:
        text = calls.read_text() if calls.exists() else ""
        return [[Path(words[0]).name, *words[1:]] for part in text.split("--end--\n") if (words := part.splitlines())]

    return so_far


def test_a_process_runs_serves_and_stops(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port)
    record = ways.start(launch, "process", records)
    client = Client(record.base_url)
    wait_for(client.is_healthy)
    assert ways.is_running(record)
    assert records.all() == [record]
    assert record.base_url == f"http://127.0.0.1:{port}"
    assert ways.stop(record)
    assert not ways.is_running(record)
    assert not client.is_healthy()
    client.close()


def test_a_server_that_cannot_be_recorded_is_not_left_running(
    stand_in: Callable[..., None], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in()
    _, launch = planned(port)
    kept: list[Record] = []

    def full(record: Record) -> None:
        kept.append(record)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(records, "keep", full)
    with pytest.raises(ways.LaunchError, match="the server cannot be started: No space left on device"):
        ways.start(launch, "process", records)
    assert len(kept) == 1
    assert not ways.is_running(kept[0])


def test_the_api_key_goes_by_the_environment_alone(
    stand_in: Callable[..., None], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-planted-secret")
    stand_in(environment=["VLLM_API_KEY", "CUDA_VISIBLE_DEVICES"])
    _, launch = planned(port, policy={"api_key_env": "MY_KEY"}, hardware={"gpu": "auto"})
    record = ways.start(launch, "process", records)
    wait_for(lambda: "environment" in record.log_path.read_text())
    assert "environment: VLLM_API_KEY" in record.log_path.read_text()
    pid = record.handle.partition(":")[0]
    assert b"planted" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    written = b"".join(path.read_bytes() for path in records.folder.iterdir())
    assert b"planted" not in written
    ways.stop(record)


def test_a_key_that_is_not_set_is_asked_for(records: Records, port: int) -> None:
    _, launch = planned(port, policy={"api_key_env": "NOT_SET_ANYWHERE"})
    with pytest.raises(ways.LaunchError, match="NOT_SET_ANYWHERE is not set"):
        ways.start(launch, "process", records)


def test_without_vllm_the_cure_is_named(records: Records, port: int, tmp_path: Path) -> None:
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="pip install vllm"):
        ways.start(replace(launch, environ={"PATH": str(tmp_path)}), "process", records)


def test_a_container_is_started_by_arguments(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", "/data/my cache; rm -rf /")
    monkeypatch.setenv("KEY", "sk-planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = ways.start(replace(launch, environ=os.environ), "docker", records)
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


def test_compose_gets_a_file(recorder: Callable[[], list[list[str]]], records: Records, port: int) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), "compose", records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    (call,) = recorder()
    # not the project of the file that is deployed
    assert call[:3] == ["docker", "compose", "--project-name=vllm-llama-8b-launch"]
    assert call[3:5] == [f"--file={record.handle}", "up"]
    assert 'restart: "no"' in Path(record.handle).read_text()
    assert ways.stop(record)
    assert "INT" in record.log_path.read_text()


@pytest.mark.parametrize(
    ("way", "end"), [("docker", ["stop", "--time", "30"]), ("compose", ["down", "--timeout", "30"])]
)
def test_a_container_whose_client_is_gone_is_found_and_ended(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, way: str, end: list[str]
) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    os.kill(int(record.client.partition(":")[0]), signal.SIGKILL)
    wait_for(lambda: not process.is_running(record.client))
    assert ways.is_running(record)
    assert ways.stop(record)
    (call,) = [call for call in recorder() if set(end) <= set(call)]
    assert call[-2:] == ["--", CONTAINER] or way == "compose"
    assert not ways.is_running(record)


@pytest.mark.parametrize("way", ["docker", "compose"])
def test_a_client_whose_pid_was_given_to_another_does_not_take_that_one_along(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, way: str
) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    pid, _, begun = record.client.partition(":")
    assert ways.stop(replace(record, client=f"{pid}:{int(begun) - 1}")), "docker itself has ended the container"
    assert "INT" not in record.log_path.read_text()
    assert any({"stop", "down"} & set(call) for call in recorder())


@pytest.mark.parametrize("text", ["", "--all", "0123abcd", "vllm-llama-8b", f"{CONTAINER} --all", "é" * 64, "0" * 200])
def test_what_is_no_id_of_a_container_is_nothing_to_docker(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, text: str
) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), "docker", records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    record.id_file.write_text(text)
    assert ways.stop(record)
    assert not any({"stop", "rm", "inspect"} & set(call) for call in recorder())


def test_a_user_unit_logs_to_our_file(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk-planted")
    monkeypatch.setenv("HF_TOKEN", "hf_planted")
    _, launch = planned(port, policy={"api_key_env": "KEY"})
    record = ways.start(replace(launch, environ=os.environ), "systemd", records)
    (call,) = recorder()
    assert call[0] == "systemd-run"
    assert f"StandardOutput=append:{record.log}" in call
    assert "--setenv=VLLM_API_KEY" in call
    assert not any("planted" in word for word in call)
    assert call[call.index("--") + 2 : call.index("--") + 4] == ["serve", launch.config.model]
    assert ways.is_running(record)
    ways.stop(record)
    unit = f"{record.log_path.stem}.service"
    assert f"--unit={unit}" in call, "a name that no other unit has"
    assert ["systemctl", "--user", "is-active", "--", unit] in recorder()
    assert ["systemctl", "--user", "stop", "--", unit] in recorder()


def test_a_refusal_is_said_in_its_own_words(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORDER_SAYS", "Failed to connect to bus: No medium found")
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="systemd-run refused: Failed to connect to bus"):
        ways.start(replace(launch, environ=os.environ), "systemd", records)
    assert records.all() == []


def test_another_container_of_that_name_is_neither_followed_nor_stopped(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "RECORDER_SAYS", 'docker: Error response from daemon: Conflict. The container name "/x" is already in use by'
    )
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), "docker", records)
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
def test_what_docker_refuses_is_read_like_any_other_ending(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch,
    said: str, cause: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("RECORDER_SAYS", f"docker: Error response from daemon: {said}")
    response, launch = planned(port)
    watch = Watch(ways.start(replace(launch, environ=os.environ), "docker", records), response)

    def ended() -> bool:
        watch.poll()
        return watch.state == ENDED

    wait_for(ended)
    assert watch.failure is not None
    assert cause in watch.failure.cause
    watch.close()


@pytest.mark.parametrize("way", ["docker", "compose", "systemd"])
def test_a_program_that_is_missing_is_named(way: str, records: Records, port: int, tmp_path: Path) -> None:
    (tmp_path / "vllm").write_text("#!/bin/sh\n")
    (tmp_path / "vllm").chmod(0o755)
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match="is not installed here"):
        ways.start(replace(launch, environ={"PATH": str(tmp_path)}), way, records)


def test_several_machines_are_not_started_from_here(records: Records, port: int) -> None:
    _, launch = planned(port, hardware={"nodes": 2})
    with pytest.raises(ways.LaunchError, match="several machines"):
        ways.start(launch, "process", records)


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:9"), ("::1", "http://[::1]:9"), ("box.lan", "http://box.lan:9")],
)
def test_where_a_server_is_asked(host: str, url: str) -> None:
    _, launch = planned(9, policy={"host": host})
    assert launch.base_url == url


def test_the_request_is_kept_as_it_was_set(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port, workload={"concurrency": 3})
    record = ways.start(launch, "process", records)
    stored: dict[str, Any] = json.loads(record.log_path.with_suffix(".json").read_text())
    assert stored["request"]["workload"] == {"concurrency": 3}
    ways.stop(record)


@pytest.mark.parametrize("host", ["a b", "[zz]", "999.1.1.1", "--help;", "é"])
def test_a_host_that_is_no_address_is_not_started(
    stand_in: Callable[..., None], records: Records, port: int, host: str
) -> None:
    stand_in()
    _, launch = planned(port, policy={"host": host})
    with pytest.raises(ways.LaunchError, match=r"is no address to listen on; set host to one like 127\.0\.0\.1"):
        ways.start(launch, "process", records)
    assert not records.folder.exists()


def test_a_folder_that_others_may_write_is_said(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    records.folder.mkdir()
    records.folder.chmod(0o777)
    _, launch = planned(port)
    with pytest.raises(ways.LaunchError, match=r"cannot be started: .* may be written by others"):
        ways.start(launch, "process", records)


def test_a_process_owns_the_port_it_listens_on(stand_in: Callable[..., None], records: Records, port: int) -> None:
    stand_in()
    _, launch = planned(port)
    record = ways.start(launch, "process", records)
    client = Client(record.base_url)
    wait_for(client.is_healthy)
    client.close()
    assert ways.owns_port(record) is True
    ways.stop(record)
    assert ways.owns_port(record) is False


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
    record = ways.start(replace(launch, environ=os.environ), way, records)
    wait_for(lambda: "Pulling image" in record.log_path.read_text())
    assert ways.owns_port(record) is owns
    ways.stop(record)
    assert ways.owns_port(record) is (None if owns is None else False), "a container that is gone owns nothing"


def test_a_unit_owns_what_its_processes_listen_on(
    recorder: Callable[[], list[list[str]]], records: Records, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, launch = planned(port)
    record = ways.start(replace(launch, environ=os.environ), "systemd", records)
    asked: list[str] = []
    pids = [os.getpid()]

    def members(path: str) -> list[int]:
        asked.append(path)
        return pids

    monkeypatch.setattr(process, "in_control_group", members)
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
        server.listen()
        assert ways.owns_port(record) is None, "systemd tells of no control group"
        monkeypatch.setenv("RECORDER_GROUP", f"/user.slice/{record.unit}")
        assert ways.owns_port(record) is True
        pids.clear()
        assert ways.owns_port(record) is False
    assert asked == [f"/user.slice/{record.unit}"] * 2
