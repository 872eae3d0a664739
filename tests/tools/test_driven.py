"""A pilot goes on when the app has nothing left to do, however little processor time that takes."""

from __future__ import annotations

import asyncio

from textual.app import App

from tools.driven import settled

STEPS = 20


class Slow(App[str]):
    """Answers a key after many steps that take no processor time, as all do where other programs have it."""

    BINDINGS = [("x", "begin"), ("w", "work"), ("m", "move")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.steps = self.worked = self.moves = 0
        self.may_work = asyncio.Event()

    def action_begin(self) -> None:
        self.steps += 1
        if self.steps < STEPS:
            self.set_timer(0.03, self.action_begin)

    async def action_work(self) -> None:
        self.run_worker(self._work(3), group="work")

    async def _work(self, more: int) -> None:
        await self.may_work.wait()
        await asyncio.sleep(0.2)
        self.worked += 1
        if more:
            self.set_timer(0.01, lambda: self.run_worker(self._work(more - 1), group="work"))

    def action_move(self) -> None:
        self.set_interval(0.005, self._move)

    def _move(self) -> None:
        self.moves += 1


async def test_a_key_is_answered_when_all_that_it_leads_to_is_done() -> None:
    app = Slow()
    async with app.run_test() as pilot:
        await pilot.press("x")
        assert app.steps == STEPS


async def test_workers_that_start_workers_are_waited_for_and_those_of_a_group_are_not() -> None:
    app = Slow()
    async with app.run_test() as pilot:
        await pilot.press("w")
        await settled(pilot, but="work")
        assert app.worked == 0
        app.may_work.set()
        await settled(pilot)
        assert app.worked == 4


async def test_what_moves_all_the_time_is_not_waited_for() -> None:
    app = Slow()
    async with app.run_test() as pilot:
        await pilot.press("m")
        await settled(pilot)
        assert app.moves
