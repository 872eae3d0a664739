"""What `doctor`, `launch`, `servers` and `calibration` do: from a plan to a running server, without a screen."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType

from wizard_tui.cli.compare import failure_lines, figure_table
from wizard_tui.cli.options import Asked, words_of
from wizard_tui.cli.parser import UsageError
from wizard_tui.errors import Refusal
from wizard_tui.hardware.observed import Observations
from wizard_tui.launch import ways
from wizard_tui.launch.checks import Check
from wizard_tui.launch.client import GREETING, LoadPoint
from wizard_tui.launch.launcher import Launcher
from wizard_tui.launch.look import look
from wizard_tui.launch.preflight import preflight, would_stop
from wizard_tui.launch.record import Record
from wizard_tui.launch.records import Records
from wizard_tui.launch.watch import ENDED, READY, Watch
from wizard_tui.planning.decision import Decision
from wizard_tui.planning.planner import make_plan
from wizard_tui.resolver import resolve
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.schemas.secrets import without_secrets

LOOK_EVERY_S = 0.5
OK, PROBLEM, INTERRUPTED = 0, 1, 130
_MARKS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


def doctor(asked: Asked, way: str, *, as_json: bool) -> int:
    """Print what would keep a server from starting; 1 when something would."""
    response = None
    if not asked.nothing:
        _, response = _planned(asked)
    checks = preflight(look(response, _way(way)), response, way)
    if as_json:
        found = {"ok": not would_stop(checks), "checks": [asdict(one) for one in checks]}
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        sys.stdout.write("".join(_check_lines(checks)))
        sys.stdout.write("something would stop the start\n" if would_stop(checks) else "nothing stands in the way\n")
    return PROBLEM if would_stop(checks) else OK


def launch(asked: Asked, way: str, *, detach: bool, force: bool, load: bool, show_log: bool) -> int:
    """Start a server, follow it until it is ready, compare it with the plan, ask it something, and stay with it."""
    decision, response = _planned(asked)
    launcher = Launcher(way=_way(way))
    try:
        launcher.start(decision, response, force=force)
    except Refusal as error:
        for line in _check_lines([check for check in launcher.checks if check.state != "ok"]):
            sys.stderr.write(line)
        stopped = would_stop(launcher.checks) and not force
        cure = "nothing was started: put the lines marked BAD right, or add --force" if stopped else str(error)
        raise UsageError(cure) from None
    for line in _check_lines([check for check in launcher.checks if check.state != "ok"]):
        sys.stderr.write(line)
    watch = launcher.watch
    assert watch is not None  # noqa: S101 - it has just been started
    _say(f"{watch.record.name} is starting; its log is {watch.record.log}")
    try:
        with _ended_by_signals():
            _follow_to_ready(launcher, watch, show_log=show_log)
            if watch.state == ENDED:
                return _ended(launcher, watch)
            _greet(launcher, watch, load=load)
            if detach:
                _say(f"it keeps running; `vllm-wizard-tui servers stop {watch.record.name}` stops it")
                return OK
            _say("ready; ctrl+c stops it")
            while watch.state != ENDED:
                time.sleep(LOOK_EVERY_S)
                _show(launcher.poll(), show_log=show_log)
            return _ended(launcher, watch)
    except KeyboardInterrupt:
        _say(f"stopping {watch.record.name}")
        return INTERRUPTED if launcher.stop() else PROBLEM
    finally:
        launcher.close()


def list_servers(*, as_json: bool) -> None:
    """List the servers that run; those that ended are forgotten."""
    running = _running()
    if as_json:
        sys.stdout.write(json.dumps([asdict(record) for record in running], indent=2) + "\n")
    else:
        for record in running:
            sys.stdout.write(f"{record.name}  {record.way}  {record.base_url}  {record.log}\n")
        if not running:
            sys.stdout.write("no server that was started from here runs\n")


def stop_server(name: str) -> None:
    """Stop a server by its name."""
    if not _stopped(_named(name)):
        raise UsageError(f"{name} could not be stopped; it still runs")
    sys.stdout.write(f"{name} has stopped\n")


def print_log(name: str) -> None:
    """Print what a server has logged so far."""
    watch = Watch(_named(name))
    while lines := watch.poll():
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    watch.close()


def show_calibration(*, as_json: bool) -> None:
    """List what starts on this machine have shown."""
    seen = Observations().all()
    if as_json:
        sys.stdout.write(json.dumps([asdict(one) for one in seen], indent=2) + "\n")
        return
    for one in seen:
        figures = f"{one.more_bytes / 2**30:+.2f} GiB beside the KV cache"
        sys.stdout.write(f"{one.at}  {one.gpu}  vLLM {one.vllm_version}  {one.model}  {one.layout}  {figures}\n")
    if not seen:
        sys.stdout.write("nothing was observed on this machine; plans are not corrected\n")


def clear_calibration() -> None:
    """Forget it all."""
    sys.stdout.write(f"{Observations().clear()} observations removed\n")


def _planned(asked: Asked) -> tuple[Decision, PlanResponse]:
    request = asked.request()
    try:
        facts = resolve(request)
        return make_plan(request, facts)
    except (Refusal, OSError) as error:
        raise UsageError(str(error)) from None


def _way(way: str) -> str:
    if way not in ways.WAYS:
        raise UsageError(f"--way takes one of {', '.join(ways.WAYS)}, not {without_secrets(way)}")
    return way


def _follow_to_ready(launcher: Launcher, watch: Watch, *, show_log: bool) -> None:
    said, warned = "", False
    while watch.state not in (READY, ENDED):
        _show(launcher.poll(), show_log=show_log)
        if watch.port_is_anothers and not warned:
            warned = True
            _say(launcher.problem)
        now = next((stage for stage in watch.stages() if stage.state == "now"), None)
        # progress in steps of a tenth, so that a log of this output stays short
        share = "" if now is None or now.share is None else f" {int(10 * now.share) * 10} %"
        if now is not None and f"{now.name}{share}" != said:
            said = f"{now.name}{share}"
            _say(f"[{watch.seconds:4.0f} s] {now.name}{share}{f', {now.detail}' if now.detail else ''}")
        time.sleep(LOOK_EVERY_S)


def _greet(launcher: Launcher, watch: Watch, *, load: bool) -> None:
    """Predicted and measured figures, the first answer, and a load run where it is wanted."""
    _say(f"ready after {watch.seconds:.0f} s at {watch.record.base_url}")
    sys.stdout.write(figure_table(launcher.rows, "printed"))
    _say_what_was_learnt(launcher)
    launcher.problem = ""
    asyncio.run(launcher.ask())
    if launcher.answer is not None:
        words = "".join(char if char.isprintable() else " " for char in launcher.answer.text).strip()
        sys.stdout.write(f"asked: {GREETING}  answered: {words[:200]}\n")
        sys.stdout.write(figure_table(launcher.answer_rows, "measured"))
    if load and not launcher.problem:
        asyncio.run(launcher.load(_say_point))
    if launcher.problem:
        _say(launcher.problem)
    if launcher.result is not None:
        sys.stdout.write(figure_table(launcher.result_rows, "measured"))
        sys.stdout.write(f"to plan with this: {words_of(launcher.measured())}\n")
    sys.stdout.flush()


def _say_what_was_learnt(launcher: Launcher) -> None:
    if launcher.kept is not None:
        more = launcher.kept.more_bytes / 2**30
        _say(f"kept as calibration of this machine: {more:+.2f} GiB; `vllm-wizard-tui calibration clear` removes it")
    elif launcher.problem:
        _say(launcher.problem)


def _say_point(point: LoadPoint) -> None:
    _say(f"[{point.seconds:4.0f} s] {point.done} answers, {point.toks_per_s:,.0f} tok/s")


def _ended(launcher: Launcher, watch: Watch) -> int:
    failure = watch.failure
    if failure is None:
        _say(f"{watch.record.name} has ended; the end of its log {watch.record.log} tells more")
    else:
        sys.stderr.write(failure_lines(failure))
    _say_what_was_learnt(launcher)
    return PROBLEM


def _stopped(record: Record) -> bool:
    if not ways.stop(record):
        return False
    Records().forget(record)
    return True


def _running() -> list[Record]:
    """The running servers; says which records are set aside, and forgets those of servers that have ended."""
    records = Records()
    found = records.found()
    for sentence in found.set_aside:
        _say(sentence)
    running = []
    for record in found.records:
        if ways.is_running(record):
            running.append(record)
        else:
            records.forget(record)
    return running


def _named(name: str) -> Record:
    running = _running()
    for record in running:
        if record.name == name:
            return record
    there = ", ".join(record.name for record in running) or "none"
    raise UsageError(f"no server {without_secrets(name)!r} that was started from here runs; there is {there}")


def _check_lines(checks: list[Check]) -> Iterator[str]:
    for check in checks:
        yield f"{_MARKS[check.state]} {check.name:<14} {check.found}\n"
        if check.cure:
            yield f"{'':<20}{check.cure}\n"


def _show(lines: list[str], *, show_log: bool) -> None:
    if show_log:
        sys.stderr.write("".join(f"{line}\n" for line in lines))


def _say(sentence: str) -> None:
    sys.stderr.write("".join(char if char.isprintable() else "?" for char in sentence) + "\n")
    sys.stderr.flush()


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A lost connection or a kill ends like ctrl+c: the server is stopped, not left behind."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    old = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
