"""From a plan to a server and back, without a screen: what is checked, kept, measured and forgotten."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import wait_for
from tests.launch.conftest import answering
from tests.planning.conftest import facts, request
from wizard_tui.errors import Refusal
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection
from wizard_tui.hardware.observed import Observations
from wizard_tui.launch.launcher import ASK, CHANGE_WAY, CHECK, FORGET, LEARN, LOAD, START, STOP, Act, Launcher
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.records import Record, Records
from wizard_tui.launch.watch import ENDED, READY, STARTING, Watch
from wizard_tui.planning.decide import decide
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.outputs import PlanResponse

H100 = replace(get_gpu_by_name("H100 80GB"), index=0)


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    machine = Machine(Detection(gpus=(H100,)), vllm_path="/opt/vllm", vllm_version="0.33.0", port_taken=False)
    made = Launcher(
        look=lambda response, way: machine,
        records=Records(tmp_path / "servers"),
        observations=Observations(tmp_path / "observed.json"),
    )
    yield made
    made.stop()
    made.close()


def planned(port: int, **policy: str) -> tuple[Decision, PlanResponse]:
    asked = request(policy={"port": port, **policy}, workload={"concurrency": 2, "prompt_tokens": 40, "gen_tokens": 8})
    known = replace(facts(), gpus=(H100,))
    return decide(asked, known), plan(asked, known)


def polled(launcher: Launcher, reached: Callable[[], bool]) -> None:
    def look() -> bool:
        launcher.poll()
        return reached()

    wait_for(look)


def test_a_server_that_would_not_start_is_started_only_when_forced(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    stand_in()
    launcher.look = lambda response, way: Machine(Detection(gpus=(H100,)))
    with pytest.raises(ValueError, match="marked BAD"):
        launcher.start(*planned(port), force=False)
    assert launcher.watch is None
    assert launcher.records.all() == []
    launcher.start(*planned(port), force=True)
    assert launcher.runs


async def test_a_start_is_verified_asked_loaded_and_stopped(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    stand_in(log=["Available KV cache memory: 50.00 GiB"])
    decision, response = planned(port)
    launcher.start(decision, response, force=False)
    polled(launcher, lambda: launcher.is_ready)
    assert [row.name for row in launcher.rows][:2] == ["Available KV cache memory", "GPU KV cache size"]
    assert launcher.kept is not None
    assert launcher.observations.all() == (launcher.kept,)
    await launcher.ask()
    assert launcher.answer is not None
    assert len(launcher.answer_rows) == 2
    points: list[object] = []
    await launcher.load(points.append)
    assert launcher.result is not None
    assert launcher.result.requests == 8
    assert launcher.measured()["workload"]["measured_concurrency"] == 2
    assert len(list(launcher.records.folder.glob("*.results.jsonl"))) == 1
    # another one finds it, with its plan
    record = launcher.find_running()
    assert record is not None
    other = Launcher(records=launcher.records, observations=launcher.observations)
    other.attach(replace(record, request={"model": {"model": "Qwen/Qwen3-8B"}, "hardware": {"gpu": "H100 80GB"}}))
    assert other.decision is not None
    other.attach(replace(record, request={"model": {"model": "/not/there"}}))
    assert other.decision is None
    assert "cannot be made again" in other.problem
    other.close()
    assert launcher.stop()
    polled(launcher, lambda: launcher.watch is not None and launcher.watch.state == ENDED)
    assert launcher.watch is not None
    assert launcher.watch.failure is None
    assert launcher.find_running() is None
    assert launcher.records.all() == []


def test_a_failed_start_teaches_until_that_is_forgotten(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    stand_in(
        log=["Available KV cache memory: -2.00 GiB"], fail=["ValueError: No available memory for the cache blocks."]
    )
    decision, response = planned(port)
    assert decision.fits
    launcher.start(decision, response, force=False)
    polled(launcher, lambda: launcher.watch is not None and launcher.watch.state == ENDED)
    assert launcher.watch is not None
    failure = launcher.watch.failure
    assert failure is not None
    assert failure.name == "no cache"
    assert launcher.kept is not None
    corrected = replace(decision.facts, observed=launcher.observations.all())
    assert not decide(decision.request, corrected).fits
    launcher.forget()
    assert launcher.kept is None
    assert launcher.observations.all() == ()


def test_a_forgotten_start_is_not_learnt_again_from_the_followed_server(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    """Forgotten before its log was read; the next start teaches again."""
    stand_in(log=["Available KV cache memory: 50.00 GiB"])
    for _ in range(2):
        launcher.start(*planned(port), force=False)
        launcher.forget()
        polled(launcher, lambda: launcher.is_ready)
        assert launcher.rows
        assert launcher.kept is None
        assert launcher.observations.all() == ()
        assert launcher.stop()
        polled(launcher, lambda: not launcher.runs)
    launcher.start(*planned(port), force=False)
    polled(launcher, lambda: launcher.is_ready)
    assert launcher.observations.all() == (launcher.kept,)


def test_a_calibration_that_cannot_be_removed_is_reported(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Observations) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Observations, "clear", fails)
    launcher.forget()
    assert launcher.problem == "the calibration cannot be removed: Permission denied"


def test_checks_for_one_way_do_not_count_for_the_next(launcher: Launcher) -> None:
    launcher.check(None)
    assert launcher.checked
    seen = [launcher.way]
    for _ in range(4):
        launcher.next_way()
        assert not launcher.checked
        seen.append(launcher.way)
    assert seen == ["process", "docker", "compose", "systemd", "process"]


async def test_without_a_server_there_is_nothing_to_ask_or_stop(launcher: Launcher) -> None:
    await launcher.ask()
    await launcher.load(lambda point: None)
    assert launcher.poll() == []
    assert launcher.stop()
    assert launcher.measured() == {}


async def test_the_key_goes_to_our_server(
    launcher: Launcher, stand_in: Callable[..., None], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-1")
    stand_in()
    launcher.start(*planned(port, api_key_env="MY_KEY"), force=False)
    polled(launcher, lambda: launcher.is_ready)
    await launcher.ask()
    assert launcher.answer is not None, f"which refuses requests without it: {launcher.problem}"
    await launcher.load(lambda point: None)
    assert launcher.result is not None, launcher.problem


async def test_the_key_does_not_go_to_another_on_its_port(
    launcher: Launcher, stand_in: Callable[..., None], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server says that it serves, while another program has its port."""
    monkeypatch.setenv("MY_KEY", "sk-1")
    stand_in(deaf=True)
    with answering(port) as heard:
        # the look at this machine reports the port as free
        launcher.start(*planned(port, api_key_env="MY_KEY"), force=False)
        polled(launcher, lambda: bool(launcher.problem))
        assert launcher.problem == f"not ready: another program answers on port {port}; end it, or stop this server"
        assert not launcher.is_ready
        await launcher.ask()
        assert launcher.problem.startswith(f"the smoke test failed: no API key sent: port {port} is not this")
        await launcher.load(lambda point: None)
        assert launcher.problem.startswith(f"the load run failed: no API key sent: port {port} is not this")
    assert set(heard) == {"/health"}, "no other request has come"
    assert set(heard.values()) == {None}
    assert (launcher.answer, launcher.result) == (None, None)


def test_records_set_aside_are_reported_and_the_server_beside_them_is_found(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    stand_in()
    launcher.start(*planned(port), force=False)
    (record,) = launcher.records.all()
    assert launcher.find_running() == record
    assert launcher.problem == ""
    (launcher.records.folder / "a.json").write_text("{")
    assert launcher.find_running() == record
    assert launcher.problem == "some records are not used; `vllm-wizard-tui servers` says which and why"
    launcher.problem = ""
    launcher.records.folder.chmod(0o777)
    assert launcher.find_running() is None
    assert "some records are not used" in launcher.problem
    launcher.records.folder.chmod(0o700)


# the current act and the state -> the acts that may begin
MAY: dict[tuple[str, str], set[Act]] = {
    ("", "idle"): {CHECK, START, CHANGE_WAY, FORGET},
    ("", STARTING): {CHECK, STOP, FORGET},
    ("", READY): {CHECK, STOP, ASK, LOAD, FORGET},
    ("", ENDED): {CHECK, START, CHANGE_WAY, FORGET},
    ("looking at this machine", "checking"): set(),
    ("looking at this machine", READY): set(),
    ("stopping", READY): set(),
    ("load run", READY): {STOP},
    ("asking it something", READY): {STOP},
    ("asking it something", ENDED): set(),
}


@pytest.mark.parametrize(("busy", "state"), MAY)
def test_what_may_be_done_depends_on_the_state_and_on_what_goes_on(busy: str, state: str) -> None:
    launcher = Launcher()
    if state not in ("idle", "checking"):
        launcher.watch = Watch(stub())
        launcher.watch.state = state
    launcher.busy = busy
    assert launcher.state == state
    acts = {CHECK, START, STOP, CHANGE_WAY, ASK, LOAD, FORGET}
    assert {act for act in acts if launcher.may(act)} == MAY[busy, state]
    for act in acts - MAY[busy, state]:
        launcher.problem = ""
        assert not launcher.begin(act)
        assert launcher.problem
        assert launcher.busy == busy


def stub() -> Record:
    return Record("name", "process", "", "", "http://127.0.0.1:1", 0.0, {})


def test_an_act_that_was_replaced_does_not_end_the_new_one() -> None:
    launcher = Launcher()
    launcher.watch = Watch(stub())
    launcher.watch.state = READY
    assert launcher.begin(LOAD)
    with launcher.doing(LOAD):
        assert not launcher.begin(CHECK)
        assert launcher.problem == "busy: load run"
        assert launcher.begin(STOP)
    assert launcher.busy == "stopping"
    with launcher.doing(STOP):
        assert not launcher.begin(CHECK)
        assert launcher.problem == "busy: stopping"
    assert (launcher.busy, launcher.problem) == ("", ""), "that it is busy is said as long as it is true"


def test_the_reason_of_a_refused_act_is_shown(launcher: Launcher) -> None:
    assert not launcher.begin(FORGET, unless="there is nothing to forget")
    assert launcher.problem == "there is nothing to forget"
    assert launcher.begin(START)
    with launcher.doing(START):
        raise Refusal("it would not come up")
    assert (launcher.busy, launcher.problem) == ("", "it would not come up")


def test_acts_nobody_asked_for_come_once_for_each_server(
    launcher: Launcher, stand_in: Callable[..., None], port: int
) -> None:
    """A look at the machine; then, of each server, what its start has shown and the first question."""
    stand_in(log=["Available KV cache memory: 50.00 GiB"])
    assert launcher.next_act() == CHECK
    launcher.check(None)
    assert launcher.next_act() is None
    launcher.next_way()
    assert launcher.next_act() == CHECK
    launcher.way = "process"
    for _ in range(2):
        launcher.start(*planned(port), force=False)
        assert launcher.next_act() is None
        polled(launcher, lambda: launcher.is_ready)
        assert launcher.begin(FORGET)
        assert launcher.next_act() == LEARN, "whatever goes on"
        with launcher.doing(FORGET):
            assert launcher.next_act() is None
        assert launcher.next_act() == ASK
        assert launcher.next_act() is None
        assert launcher.stop()
        polled(launcher, lambda: not launcher.runs)
        assert launcher.next_act() is None


def test_a_start_is_forced_after_one_that_was_refused_on_this_way(launcher: Launcher, port: int) -> None:
    launcher.look = lambda response, way: Machine(Detection(gpus=(H100,)))
    for _ in range(2):
        with pytest.raises(Refusal, match="marked BAD"):
            launcher.start(*planned(port), force=False)
        assert launcher.forced
        launcher.next_way()
        assert not launcher.forced
    assert launcher.cure() == {}
