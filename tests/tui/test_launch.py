"""The Launch step under Pilot, with a program that stands in for vLLM."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input, Log

from tests.conftest import LIMIT_S
from tests.tui.conftest import opened, settled, text_of, typed, until
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import GPU
from wizard_tui.hardware.observed import Observations
from wizard_tui.launch import ways
from wizard_tui.launch.launcher import Launcher
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.records import Records
from wizard_tui.launch.watch import ENDED
from wizard_tui.planning.decision import Decision
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.tui.screens.leave import LeaveScreen
from wizard_tui.tui.screens.wizard import WizardScreen


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A state directory of its own, and no server left behind."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for record in Records().all():
        ways.stop(record)


@asynccontextmanager
async def at_launch(
    port: int, size: tuple[int, int] = (120, 36), gpus: tuple[GPU, ...] = ()
) -> AsyncIterator[Pilot[str]]:
    fields = {"policy__port": str(port), "workload__concurrency": "2", "workload__prompt_tokens": "40"}
    async with opened(size, gpus, observed=Observations().all, **fields) as pilot:
        await pilot.press(*["ctrl+n"] * 6)
        await until(pilot, lambda: launcher(pilot).checked and not launcher(pilot).busy)
        yield pilot


def launcher(pilot: Pilot[str]) -> Launcher:
    screen = next(screen for screen in pilot.app.screen_stack if isinstance(screen, WizardScreen))
    assert screen.launcher is not None
    return screen.launcher


async def asked_to_start(pilot: Pilot[str]) -> None:
    """Start although this machine has no GPU: the second press, which is taken when the first is dealt with."""
    await pilot.press("s")
    await until(pilot, lambda: launcher(pilot).problem and not launcher(pilot).busy)
    assert "s again" in launcher(pilot).problem
    assert not launcher(pilot).runs
    await pilot.press("s")


async def answered(pilot: Pilot[str]) -> None:
    """Wait until the server has answered; until then other keys are refused."""
    await until(pilot, lambda: launcher(pilot).answer is not None and not launcher(pilot).busy)
    assert launcher(pilot).is_ready


async def started(pilot: Pilot[str]) -> None:
    await asked_to_start(pilot)
    await answered(pilot)


async def test_checks_come_first_with_their_cures(stand_in: Callable[..., None], port: int) -> None:
    stand_in()
    async with at_launch(port) as pilot:
        assert "start by process" in text_of(pilot, "#launch-head")
        assert "BAD" in text_of(pilot, "#launch-lines")
        assert "->" in text_of(pilot, "#launch-lines")
        await pilot.press("w")
        await until(pilot, lambda: "start by docker" in text_of(pilot, "#launch-head"))
        await until(pilot, lambda: launcher(pilot).checked and not launcher(pilot).busy)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_from_start_to_stop(stand_in: Callable[..., None], port: int, size: tuple[int, int]) -> None:
    stand_in(log=["Model loading took 14.99 GiB memory and 2.7 seconds"])
    async with at_launch(port, size) as pilot:
        await started(pilot)
        await settled(pilot)
        assert f"http://127.0.0.1:{port}" in text_of(pilot, "#launch-head")
        facts = text_of(pilot, "#launch-lines")
        stages = text_of(pilot, "#launch-stages")
        assert "[x] ready" in stages if size[0] > 110 else "every stage is done" in stages
        assert "GPU KV cache size" in facts
        assert "w0 w1" in facts
        assert [row.name for row in launcher(pilot).answer_rows] == ["TTFT", "Output of one user"]
        assert "Output of one user" in facts
        log = pilot.app.screen.query_one("#launch-log", Log)
        assert any("Model loading took" in line for line in log.lines)
        assert not any("pid=" in line for line in log.lines)
        await pilot.press("l")
        await until(pilot, lambda: bool(launcher(pilot).result_rows) and not launcher(pilot).busy)
        await settled(pilot)
        assert "Output of all users" in text_of(pilot, "#launch-lines")
        await pilot.press("m")
        await settled(pilot)
        assert pilot.app.session.errors == {}  # type: ignore[attr-defined]
        assert pilot.app.session.request.workload.measured_concurrency == 2  # type: ignore[attr-defined]
        await pilot.press("x")
        await until(pilot, lambda: launcher(pilot).watch.state == ENDED and not launcher(pilot).busy)  # type: ignore[union-attr]
        await settled(pilot)
        assert "has stopped" in text_of(pilot, "#launch-head")
        assert Records().all() == []


async def test_a_failure_is_cured_by_one_key(stand_in: Callable[..., None], port: int) -> None:
    stand_in(fail=["ValueError: the model's max seq len (131072) is larger than the maximum number of tokens that can "
                   "be stored in KV cache (20640). Try increasing"])  # fmt: skip
    async with at_launch(port) as pilot:
        await asked_to_start(pilot)
        await until(pilot, lambda: launcher(pilot).watch is not None and launcher(pilot).watch.state == ENDED)
        await settled(pilot)
        facts = text_of(pilot, "#launch-lines")
        assert "20640 tokens at most" in " ".join(facts.split())
        assert "max_model_len -> 20640" in facts
        assert "Fits" in facts
        assert "p cure" in text_of(pilot, "#launch-head")
        await pilot.press("p")
        await settled(pilot)
        session = pilot.app.session  # type: ignore[attr-defined]
        assert session.texts["model.max_model_len"] == "20640"
        assert session.response.config.max_model_len == 20640
        await pilot.press("ctrl+z")
        await settled(pilot)
        assert session.texts["model.max_model_len"] == ""


H100 = replace(get_gpu_by_name("H100 80GB"), index=0)


@pytest.mark.parametrize("fails", [False, True])
async def test_a_start_corrects_the_next_plan_until_that_is_forgotten(
    stand_in: Callable[..., None], port: int, fails: bool
) -> None:
    log = ["Available KV cache memory: 50.00 GiB"]
    stand_in(log=log, **({"fail": ["RuntimeError: NCCL error in: x.cpp"]} if fails else {}))
    async with at_launch(port, gpus=(H100,)) as pilot:
        session = pilot.app.session  # type: ignore[attr-defined]
        before = session.response.memory.kv_available
        assert abs(before / 2**30 - 50) > 1
        await asked_to_start(pilot)
        await until(pilot, lambda: session.observed and session.response.memory.kv_available != before)
        assert session.response.memory.kv_available / 2**30 == pytest.approx(50.0)
        await until(pilot, lambda: "GiB in this plan by what 1 start(s) here showed" in joined(pilot))
    # the next wizard knows it too
    async with at_launch(port, gpus=(H100,)) as pilot:
        session = pilot.app.session  # type: ignore[attr-defined]
        assert session.response.memory.kv_available / 2**30 == pytest.approx(50.0)
        if not fails:
            await answered(pilot)  # a key is refused while it is asked something
        await pilot.press("u")
        await until(pilot, lambda: session.response.memory.kv_available == before)
        assert "in this plan by what" not in joined(pilot)
    assert Observations().all() == ()


def joined(pilot: Pilot[str]) -> str:
    return " ".join(text_of(pilot, "#launch-lines").split())


async def together(pilot: Pilot[str], *keys: str) -> None:
    """Keys that a terminal sends at once."""
    for key in keys:
        pilot.app.post_message(Key(key, key))
    await pilot.pause()


async def test_of_two_starts_at_once_the_second_is_refused(stand_in: Callable[..., None], port: int) -> None:
    """Of two at once only the first is checked, and refused; of the next three, one starts one server."""
    stand_in()
    async with at_launch(port, gpus=(H100,)) as pilot:
        one = launcher(pilot)
        begun: list[bool] = []
        may_end = Event()
        start = one.start

        def slow(decision: Decision, response: PlanResponse, *, force: bool) -> None:
            begun.append(force)
            may_end.wait(LIMIT_S)
            start(decision, response, force=force)

        one.start = slow  # type: ignore[method-assign]
        await together(pilot, "s", "s")
        await until(pilot, lambda: "! busy: starting" in text_of(pilot, "#launch-head"))
        may_end.set()
        await until(pilot, lambda: not one.busy)
        # this machine has no vLLM and is refused; the second key has not overruled that
        assert begun == [False]
        assert "s again" in one.problem
        assert not one.runs
        await together(pilot, "s", "s", "s")
        await answered(pilot)
        assert begun == [False, True]
        assert len(Records().all()) == 1


@pytest.mark.parametrize("key", ["s", "w", "c", "x", "t", "l", "u"])
async def test_no_key_is_dropped_while_work_goes_on(stand_in: Callable[..., None], port: int, key: str) -> None:
    stand_in()
    async with at_launch(port) as pilot:
        one = launcher(pilot)
        way, looked = one.way, Event()
        look = one.look

        def slow(response: PlanResponse | None, way: str) -> Machine:
            looked.wait(LIMIT_S)
            return look(response, way)

        one.look = slow
        await together(pilot, "c", key)
        await until(pilot, lambda: "! busy: looking at this machine" in text_of(pilot, "#launch-head"))
        assert one.way == way
        looked.set()
        await until(pilot, lambda: not one.busy)
        await settled(pilot)
        assert "busy" not in text_of(pilot, "#launch-head"), "it is said as long as it is true"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("x", "no server runs"),
        ("t", "no server answers yet"),
        ("l", "no server answers yet"),
        ("m", "nothing was measured yet"),
        ("u", "no start has shown anything yet"),
        ("p", "no failure with a known cure"),
    ],
)
async def test_a_key_with_nothing_to_act_on_says_so(port: int, key: str, said: str) -> None:
    async with at_launch(port) as pilot:
        await pilot.press(key)
        await settled(pilot)
        assert said in text_of(pilot, "#launch-head")


async def test_a_stop_ends_and_replaces_the_load_run(stand_in: Callable[..., None], port: int) -> None:
    stand_in()
    async with at_launch(port) as pilot:
        await started(pilot)
        one = launcher(pilot)
        never = asyncio.Event()
        ended: list[str] = []

        async def load(on_point: object) -> None:
            try:
                await never.wait()
            finally:
                ended.append(one.busy)

        one.load = load  # type: ignore[assignment, method-assign]
        await pilot.press("l")
        await until(pilot, lambda: one.busy == "load run")
        await together(pilot, "t", "x", "x")
        await until(pilot, lambda: one.watch is not None and one.watch.state == ENDED and not one.busy)
        assert ended == ["stopping"]
        assert Records().all() == []
        assert not one.problem


async def test_a_server_that_is_started_again_is_asked_again(stand_in: Callable[..., None], port: int) -> None:
    stand_in()
    async with at_launch(port) as pilot:
        await started(pilot)
        one = launcher(pilot)
        first = one.watch
        assert first is not None
        ways.stop(first.record)
        await until(pilot, lambda: first.state == ENDED)
        await asked_to_start(pilot)
        await until(pilot, lambda: one.watch is not first)
        await answered(pilot)


async def test_quitting_asks_and_the_next_wizard_finds_it_again(stand_in: Callable[..., None], port: int) -> None:
    stand_in()
    async with at_launch(port) as pilot:
        await started(pilot)
        await pilot.press("f10")
        await until(pilot, lambda: isinstance(pilot.app.screen, LeaveScreen))
        await pilot.press("escape")
        assert isinstance(pilot.app.screen, WizardScreen)
        await pilot.press("f10", "k")
        await until(pilot, lambda: pilot.app._exit)
    (record,) = Records().all()
    assert ways.is_running(record)
    async with at_launch(port) as pilot:
        await until(pilot, lambda: launcher(pilot).is_ready)
        assert launcher(pilot).watch.record == record  # type: ignore[union-attr]
        await pilot.press("f10", "x")
        await until(pilot, lambda: pilot.app._exit)
    assert not ways.is_running(record)
    assert Records().all() == []


async def test_the_log_is_searched(stand_in: Callable[..., None], port: int) -> None:
    stand_in(log=[f"line {number}" for number in range(200)] + ["a needle", "more", "needle two"])
    async with at_launch(port) as pilot:
        await started(pilot)
        await pilot.press("slash")
        await settled(pilot)
        assert isinstance(pilot.app.focused, Input)
        await typed(pilot, "needle")
        await pilot.press("enter")
        await settled(pilot)
        await until(pilot, lambda: launcher(pilot).problem == "hit 1 of 2")
        await pilot.press("n")
        await until(pilot, lambda: launcher(pilot).problem == "hit 2 of 2")
        # the search changed no field of the request
        assert pilot.app.session.errors == {}  # type: ignore[attr-defined]
        await pilot.press("f")
        assert pilot.app.screen.query_one("#launch-log", Log).auto_scroll


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_log_follows_however_much_room_the_figures_take(
    stand_in: Callable[..., None], port: int, size: tuple[int, int]
) -> None:
    stand_in(log=[f"line {number}" for number in range(200)])
    async with at_launch(port, size) as pilot:
        await started(pilot)
        log = pilot.app.screen.query_one("#launch-log", Log)
        height = log.size.height
        await until(pilot, lambda: log.is_vertical_scroll_end)
        await pilot.press("l")
        await until(pilot, lambda: bool(launcher(pilot).result_rows) and not launcher(pilot).busy)
        await settled(pilot)
        assert log.size.height < height, "the load run has taken some of its rows"
        assert log.is_vertical_scroll_end
        # scrolling away stays in effect until f
        log.scroll_home(animate=False)
        await settled(pilot)
        await pilot.resize_terminal(size[0], size[1] + 2)
        await settled(pilot)
        assert log.scroll_y == 0
        await pilot.press("f")
        await until(pilot, lambda: log.is_vertical_scroll_end)


async def test_control_codes_of_a_server_cannot_reach_the_terminal(stand_in: Callable[..., None], port: int) -> None:
    stand_in(log=["[bold red]markup[/] \x1b]0;title\x07 \u202eright-to-left", "\x1b[2Jcleared"])
    async with at_launch(port) as pilot:
        await started(pilot)
        log = pilot.app.screen.query_one("#launch-log", Log)
        text = "\n".join(log.lines)
        assert "[bold red]markup[/]" in text
        assert "cleared" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
