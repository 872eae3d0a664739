"""From a plan to a running server and back: what was checked, which server it is, predicted and measured figures.

The wizard's Launch step and the `launch` command show this. Slow methods say so.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

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
    from wizard_tui.planning.decision import Decision
    from wizard_tui.schemas.outputs import PlanResponse

ROUNDS, LEAST_REQUESTS = 3, 8

# states without a server; the states of a server are in watch.py: starting, ready and ended
IDLE, CHECKING = "idle", "checking"


class Act(NamedTuple):
    """Something that is done for the user and takes time.

    `states` are those in which it makes sense; `otherwise` is said in the others. `ends` names the acts that it
    replaces.
    """

    words: str
    states: tuple[str, ...] = (IDLE, CHECKING, STARTING, READY, ENDED)
    otherwise: str = ""
    ends: tuple[str, ...] = ()


_NO_SERVER, _RUNS = (IDLE, CHECKING, ENDED), (STARTING, READY)
CHECK = Act("looking at this machine")
START = Act("starting", _NO_SERVER, "a server runs already; x stops it")
ASK = Act("asking it something", (READY,), "no server answers yet")
LOAD = Act("load run", (READY,), "no server answers yet")
STOP = Act("stopping", _RUNS, "no server runs", ends=(ASK.words, LOAD.words))
CHANGE_WAY = Act("changing the way", _NO_SERVER, "a server runs; x stops it")
LEARN = Act("planning with what was shown")
FORGET = Act("forgetting")


@dataclass
class Launcher:
    """One server at a time, and what may be done and what comes next in each of its states.

    The caller that shows it calls `begin` before an act that the user asks for, does the work within `doing`, and
    carries out what `next_act` names. `busy` is the current act, in words, from the key press that began it;
    `problem` is the last sentence to show. `forced` says that a start was refused and the user wants it all the same.

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
    busy: str = field(default="", init=False)
    problem: str = ""
    forced: bool = field(default=False, init=False)
    rows: list[Row] = field(default_factory=list)
    kept: Observation | None = None
    answer: Answer | None = None
    answer_rows: list[Row] = field(default_factory=list)
    points: list[LoadPoint] = field(default_factory=list)
    result: LoadResult | None = None
    result_rows: list[Row] = field(default_factory=list)
    # once forgotten, a start is not learnt again from the server being followed; threads learn and forget
    _teaches: bool = field(default=True, init=False)
    _learning: Lock = field(default_factory=Lock, init=False)
    # which of the acts that come by themselves have come already
    _learnt: Observation | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)

    @property
    def state(self) -> str:
        """`idle` or `checking` without a server; `starting`, `ready` or `ended` with one."""
        if self.watch is not None:
            return self.watch.state
        return CHECKING if self.busy == CHECK.words else IDLE

    @property
    def runs(self) -> bool:
        """Whether a server is starting or ready."""
        return self.watch is not None and self.watch.state in (STARTING, READY)

    @property
    def is_ready(self) -> bool:
        """Whether a server answers."""
        return self.watch is not None and self.watch.state == READY

    # what may be done, and what comes next

    def may(self, act: Act, unless: str = "") -> bool:
        """Whether an act may begin now. `problem` says why not: another act is going on, the state does not allow it,
        or `unless`, a reason that the caller knows."""
        reason = "" if self.busy in ("", *act.ends) else _busy(self.busy)
        if not reason and self.state not in act.states:
            reason = act.otherwise
        if reason := reason or unless:
            self.say(reason)
        return not reason

    def begin(self, act: Act, unless: str = "") -> bool:
        """Mark an act as begun, if it may begin: the next key may come before its work starts. The caller ends the
        act that it replaces."""
        if not self.may(act, unless):
            return False
        self.busy, self.problem = act.words, ""
        return True

    @contextmanager
    def doing(self, act: Act) -> Iterator[None]:
        """The work of an act that was begun. The reason of a refusal becomes `problem`."""
        try:
            yield
        except Refusal as error:
            self.say(str(error))
        finally:
            # unless another act has replaced it
            if self.busy == act.words:
                self.busy = ""
            if self.problem == _busy(act.words):
                self.problem = ""

    def next_act(self) -> Act | None:
        """What is to be done now without being asked for: CHECK on a machine that nobody looked at, LEARN when a start
        has shown something new, ASK once when a server is ready. None: nothing, for now."""
        if self.kept is not None and self.kept != self._learnt:
            self._learnt = self.kept
            return LEARN
        if self.busy:
            return None
        if not self.checked:
            return CHECK
        if self.is_ready and not self._asked:
            self._asked = True
            return ASK
        return None

    def say(self, sentence: str) -> None:
        """Replace the last sentence."""
        self.problem = sentence

    # the acts

    def next_way(self) -> None:
        """Choose the next way to start, unless a server runs; checks made for the previous way no longer count."""
        if self.may(CHANGE_WAY):
            names = list(ways.WAYS)
            self.way = names[(names.index(self.way) + 1) % len(names)]
            self.checks, self.checked, self.forced = [], False, False

    def check(self, response: PlanResponse | None) -> None:
        """Look at the machine. Slow."""
        self.checks = preflight(self.look(response, self.way), response, self.way)
        self.checked = True

    def check_and_find(self, response: PlanResponse | None) -> None:
        """Look at the machine, and follow a server that still runs, unless one is followed already. Slow."""
        self.check(response)
        if self.watch is None and (record := self.find_running()) is not None:
            self.attach(record)

    def start(self, decision: Decision, response: PlanResponse, *, force: bool) -> None:
        """Start a server for a plan; where something would stop it, only with `force`. Slow.

        Raises Refusal with one plain sentence.
        """
        self.check(response)
        self.forced = would_stop(self.checks)
        if self.forced and not force:
            raise Refusal("it would not come up: put the lines marked BAD right, or press s again to start it anyway")
        record = start(ways.Launch(response.config, decision.request, os.environ), self.way, self.records)
        self.forced = False
        self._follow(record, decision, response)

    def find_running(self) -> Record | None:
        """The newest server that was started from here and still runs; None when there is none. Slow.

        `problem` says so when records were set aside.
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
        from wizard_tui.planning.planner import make_plan
        from wizard_tui.resolver import resolve
        from wizard_tui.schemas.inputs import PlanRequest

        decision = response = None
        try:
            request = PlanRequest.model_validate(record.request)
            facts = resolve(request)
            decision, response = make_plan(request, facts)
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
        """The smoke test: one real request, compared with what the plan says of such a request."""
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
        """A load run at the planned concurrency; its result is kept beside the log."""
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

    def cure(self) -> Mapping[str, Mapping[str, Any]]:
        """The change of the request that cures the failure; empty where there is none. The next start is not forced."""
        failure = self.watch.failure if self.watch is not None else None
        if failure is None or not failure.patch:
            return {}
        self.forced = False
        return failure.patch

    def close(self) -> None:
        """Let go of the log and the port; the server runs on."""
        if self.watch is not None:
            self.watch.close()

    def forget(self) -> None:
        """Remove what starts on this machine have shown, so that it corrects no plan; the server being followed adds
        nothing more. Slow."""
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
        self._teaches, self._learnt, self._asked = True, None, False

    def _verify(self) -> None:
        """Compare the start with its plan, and keep what it showed: a failed start may have shown the most."""
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


def _busy(words: str) -> str:
    return f"busy: {words}"
