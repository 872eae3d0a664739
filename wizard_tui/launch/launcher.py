"""From a plan to a server that runs and back: what was checked, which server it is, what was predicted and what came.

The wizard's Launch step and the `launch` command show this. Slow methods say so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from wizard_tui.errors import Refusal
from wizard_tui.hardware.observed import Observation, Observations
from wizard_tui.launch import ways
from wizard_tui.launch.calibrate import observation
from wizard_tui.launch.checks import Check
from wizard_tui.launch.client import (
    Answer,
    AnswerError,
    Asker,
    LoadPoint,
    LoadResult,
    api_key,
    load_run,
    smoke_test,
)
from wizard_tui.launch.look import look
from wizard_tui.launch.machine import Machine
from wizard_tui.launch.preflight import preflight, would_stop
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.start import start
from wizard_tui.launch.verify import Row, compare, compare_answer, compare_speed, streamed
from wizard_tui.launch.watch import ENDED, READY, STARTING, Watch

if TYPE_CHECKING:
    from wizard_tui.planning.decide import Decision
    from wizard_tui.schemas.outputs import PlanResponse

ROUNDS, LEAST_REQUESTS = 3, 8


@dataclass
class Launcher:
    """One server at a time. `busy` names what is going on, from the key on that began it; `problem` is the last
    sentence that went wrong.

    `look` asks the machine, `records` and `observations` are where servers and calibration are kept.
    """

    look: Callable[[PlanResponse | None, str], Machine] = look
    records: Records = field(default_factory=Records)
    observations: Observations = field(default_factory=Observations)
    way: str = next(iter(ways.WAYS))
    checks: list[Check] = field(default_factory=list)
    checked: bool = False
    watch: Watch | None = None
    decision: Decision | None = None
    busy: str = ""
    problem: str = ""
    rows: list[Row] = field(default_factory=list)
    kept: Observation | None = None
    answer: Answer | None = None
    answer_rows: list[Row] = field(default_factory=list)
    points: list[LoadPoint] = field(default_factory=list)
    result: LoadResult | None = None
    result_rows: list[Row] = field(default_factory=list)
    # what is forgotten is not learnt again from the server that is followed; threads learn and forget
    _teaches: bool = field(default=True, init=False)
    _learning: Lock = field(default_factory=Lock, init=False)

    @property
    def runs(self) -> bool:
        """Whether a server is starting or ready."""
        return self.watch is not None and self.watch.state in (STARTING, READY)

    @property
    def is_ready(self) -> bool:
        """Whether a server answers."""
        return self.watch is not None and self.watch.state == READY

    def next_way(self) -> None:
        """Choose the next way to start; what was checked for the last one counts no more."""
        names = list(ways.WAYS)
        self.way = names[(names.index(self.way) + 1) % len(names)]
        self.checks, self.checked = [], False

    def check(self, response: PlanResponse | None) -> None:
        """Look at the machine. Slow."""
        self.checks = preflight(self.look(response, self.way), response, self.way)
        self.checked = True

    def start(self, decision: Decision, response: PlanResponse, *, force: bool) -> None:
        """Start a server for a plan, unless something would stop it and `force` is not set. Slow.

        Raises Refusal with one plain sentence.
        """
        self.check(response)
        if would_stop(self.checks) and not force:
            raise Refusal("it would not come up: put the lines marked BAD right, or press s again to start it anyway")
        record = start(ways.Launch(response.config, decision.request, os.environ), self.way, self.records)
        self._follow(record, decision, response)

    def find_running(self) -> Record | None:
        """The newest server that was started from here and still runs; None when there is none. Slow.

        `problem` says that there are records which are set aside.
        """
        found = self.records.found()
        if found.set_aside:
            self.problem = "some records are not used; `vllm-wizard-tui servers` says which and why"
        for record in found.records:
            if ways.is_running(record):
                return record
            self.records.forget(record)
        return None

    def attach(self, record: Record) -> None:
        """Follow a server that was started before, with the plan that it was started for. Slow."""
        from wizard_tui.planning.decide import decide
        from wizard_tui.planning.planner import plan
        from wizard_tui.resolve import resolve
        from wizard_tui.schemas.inputs import PlanRequest

        decision = response = None
        try:
            request = PlanRequest.model_validate(record.request)
            facts = resolve(request)
            decision, response = decide(request, facts), plan(request, facts)
        except (Refusal, ValidationError, OSError) as error:
            self.problem = f"the plan of {record.name} cannot be made again: {error}"
        self._follow(record, decision, response)

    def poll(self) -> list[str]:
        """Look at the server again; the new lines of its log. Slow."""
        if self.watch is None:
            return []
        before = self.watch.state
        lines = self.watch.poll()
        if self.watch.state == STARTING and self.watch.port_is_anothers:
            port = self.watch.record.base_url.rpartition(":")[2]
            self.problem = f"not ready: another program answers on port {port}; end it, or stop this server"
        if self.watch.state == before:
            return lines
        if self.watch.state == READY:
            self.watch.measure()
        if self.watch.state == ENDED:
            self.records.forget(self.watch.record)
        if before == STARTING:
            self._verify()
        return lines

    def stop(self) -> bool:
        """Stop the server; True when it is gone. Slow."""
        if self.watch is None:
            return True
        self.watch.stopped_by_user = True
        if not ways.stop(self.watch.record):
            self.problem = f"{self.watch.record.name} could not be stopped; it still runs"
            return False
        self.records.forget(self.watch.record)
        return True

    async def ask(self) -> None:
        """The smoke test: one real request, beside what the plan says of such a request."""
        if self.watch is None:
            return
        record = self.watch.record
        streaming = self.decision is None or self.decision.request.workload.streaming
        try:
            async with Asker(record.base_url, await asyncio.to_thread(api_key, record)) as asker:
                self.answer = await smoke_test(asker, streaming=streaming)
        except AnswerError as error:
            self.problem = f"the smoke test failed: {error}"
            return
        if self.decision is not None:
            self.answer_rows = compare_answer(self.answer, self.decision)

    async def load(self, on_point: Callable[[LoadPoint], None]) -> None:
        """A load run at the planned concurrency, kept beside the log."""
        if self.watch is None or self.decision is None:
            return
        record, workload = self.watch.record, self.decision.request.workload
        self.points, self.result, self.result_rows = [], None, []

        def take(point: LoadPoint) -> None:
            self.points.append(point)
            on_point(point)

        try:
            async with Asker(record.base_url, await asyncio.to_thread(api_key, record)) as asker:
                self.result = await load_run(
                    asker,
                    concurrency=workload.concurrency,
                    prompt_tokens=workload.prompt_tokens,
                    gen_tokens=workload.gen_tokens,
                    requests=max(LEAST_REQUESTS, ROUNDS * workload.concurrency),
                    on_point=take,
                )
        except AnswerError as error:
            self.problem = f"the load run failed: {error}"
            return
        self.result_rows = compare_speed(self.result, streamed(self.decision))
        self.records.keep_result(record, vars(self.result))

    def measured(self) -> dict[str, dict[str, Any]]:
        """The load run as a change of the request, which corrects the prediction; empty without one."""
        if self.result is None:
            return {}
        figures = {
            "measured_toks_per_s": round(self.result.toks_per_s, 1),
            "measured_ttft_ms": round(self.result.ttft_ms, 1),
            "measured_tpot_ms": round(self.result.tpot_ms, 2),
            "measured_concurrency": self.result.concurrency,
            "measured_prompt_tokens": self.result.prompt_tokens,
            "measured_gen_tokens": self.result.gen_tokens,
        }
        # answers of a single token have no time between tokens
        return {"workload": {name: value for name, value in figures.items() if value > 0}}

    def close(self) -> None:
        """Let go of the log and the port; the server runs on."""
        if self.watch is not None:
            self.watch.close()

    def forget(self) -> None:
        """Remove what starts on this machine have shown, and what the one that is followed may still show, so that it
        corrects no plan. Slow."""
        with self._learning:
            try:
                self.observations.clear()
            except OSError as error:
                self.problem = f"the calibration cannot be removed: {error.strerror or error}"
                return
            self._teaches, self.kept = False, None

    def _follow(self, record: Record, decision: Decision | None, response: PlanResponse | None) -> None:
        self.close()
        self.watch, self.decision = Watch(record, response, decision), decision
        self.rows, self.kept, self.answer, self.answer_rows = [], None, None, []
        self.result, self.points, self.result_rows = None, [], []
        self._teaches = True

    def _verify(self) -> None:
        """Hold the start against its plan, and keep what it showed: one that failed may have shown the most."""
        if self.watch is None or self.watch.response is None:
            return
        self.rows = compare(self.watch.response, self.watch.log)
        with self._learning:
            if self.decision is None or not self._teaches:
                return
            self.kept = observation(self.decision, self.watch.log)
            if self.kept is None:
                return
            try:
                self.observations.add(self.kept)
            except OSError as error:
                self.problem = f"the calibration cannot be kept: {error.strerror or error}"
