"""The Hub fails in every way while somebody types: the typed text stays, one sentence reports it, other fields work."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.models.conftest import hub as hub
from tests.models.hub_faults import FAULTS
from tests.models.hub_server import Hub, Repo
from tests.planning.conftest import LLAMA_8B
from tests.tui.conftest import opened, typed, until
from wizard_tui.models import hub as hub_reader
from wizard_tui.tui import reading
from wizard_tui.tui.fields import MODEL
from wizard_tui.tui.screens.wizard import WizardScreen
from wizard_tui.tui.session import Session
from wizard_tui.tui.sources import Sources

# one of each kind; tests/models/test_hub_faults.py has them all
TYPED = ("gated", "absent", "too many", "broken", "silent", "dripping", "flooding", "half a body", "a hotel's page",
         "reset", "round in circles")  # fmt: skip


@pytest.fixture(autouse=True)
def impatient(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits and limits as short as they may be."""
    monkeypatch.setattr(hub_reader, "PATIENCE", 2)
    monkeypatch.setattr(hub_reader, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(hub_reader, "JSON_LIMIT_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "MODEL_PAUSE_S", 0.02)


def wizard(pilot: Pilot[str]) -> WizardScreen:
    return next(screen for screen in pilot.app.screen_stack if isinstance(screen, WizardScreen))


async def model_typed(pilot: Pilot[str], name: str) -> Session:
    """The model field with this text in it, typed key by key, and its facts asked for."""
    await wizard(pilot).go("model")
    editor = pilot.app.screen.query_one("#model-model", Input)
    editor.focus()
    await pilot.press("end", "ctrl+u")
    await typed(pilot, name)
    session = wizard(pilot).session
    await until(pilot, lambda: session.texts[MODEL] == name and not session.model_state.startswith("reading"))
    assert editor.value == name
    return session


async def test_what_was_typed_stays_and_other_fields_work(hub: Hub) -> None:
    hub.repos["org/fine"] = Repo({"config.json": json.dumps(LLAMA_8B).encode()})
    async with opened(hardware__gpu="H100 80GB") as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, load_model=Sources().load_model)
        for number, (name, (fault, said)) in enumerate(((name, FAULTS[name]) for name in TYPED), 1):
            hub.fault = fault
            session = await model_typed(pilot, f"org/m{number}")
            problem = session.model_problem or ""
            assert re.search(said, problem), f"{name}: {problem}"
            assert problem.isprintable(), name
            assert len(problem) < 250, f"{name}: {problem}"
            # another field takes typed text, and still shows its own errors
            await wizard(pilot).go("workload")
            field = pilot.app.screen.query_one("#workload-concurrency", Input)
            field.focus()
            await pilot.press("end", "ctrl+u", *str(number))
            await until(pilot, lambda: session.texts["workload.concurrency"] == str(number))  # noqa: B023
            assert session.errors == {}, name
            assert session.texts[MODEL] == f"org/m{number}", name
            assert session.response is not None, f"{name}: the last plan stays on screen"
        hub.fault = None
        session = await model_typed(pilot, "org/fine")
        assert session.model_problem is None
        await until(pilot, lambda: session.stale is None)
        assert session.plan is not None
        assert session.plan.decision.request.workload.concurrency == len(TYPED)


@pytest.mark.parametrize("why", ["refused", "no such host"])
async def test_the_hub_cannot_be_reached(hub: Hub, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    from huggingface_hub import constants

    if why == "refused":
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{probe.getsockname()[1]}")
    else:

        def fails(*_args: object, **_named: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fails)
        # a name, as an address in figures is not looked up
        monkeypatch.setattr(constants, "ENDPOINT", "http://no-such-host.invalid")
    async with opened() as pilot:
        wizard(pilot).sources = replace(wizard(pilot).sources, load_model=Sources().load_model)
        session = await model_typed(pilot, "org/model")
        assert (session.model_problem or "").startswith("the Hub cannot be reached for org/model: ")
