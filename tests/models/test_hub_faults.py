"""Everything that may come instead of the Hub's answer ends in one sentence, within bounds of time and memory."""

from __future__ import annotations

import re
import threading
import tracemalloc
from http.server import BaseHTTPRequestHandler

import pytest

from tests.models.hub_faults import FAULTS
from tests.models.hub_server import Hub
from wizard_tui.models import hub as reading
from wizard_tui.models.hub import check_access
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.search import search_hub

LIMIT_BYTES = 1 << 20


@pytest.fixture(autouse=True)
def impatient(hub: Hub, not_for_ever: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits and limits as short as they may be."""
    monkeypatch.setattr(reading, "PATIENCE", 2)
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(reading, "JSON_LIMIT_BYTES", LIMIT_BYTES)


@pytest.mark.parametrize("name", FAULTS)
def test_a_model_of_a_hub_that_fails(hub: Hub, name: str) -> None:
    fault, said = FAULTS[name]
    hub.fault = fault
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=said) as caught:
            load_model_metadata("org/model")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()
    assert "Error" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert peak < 32 * LIMIT_BYTES, "an answer without end is not kept"


@pytest.mark.parametrize("name", FAULTS)
def test_a_search_on_a_hub_that_fails(hub: Hub, name: str) -> None:
    hub.fault = FAULTS[name][0]
    try:
        assert search_hub("llama") == []
    except ValueError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize("name", FAULTS)
def test_the_question_for_access_to_a_hub_that_fails(hub: Hub, name: str) -> None:
    hub.fault = FAULTS[name][0]
    try:
        # any answer that is no refusal is a yes, whatever it holds
        check_access("org/model")
    except ValueError as error:
        assert re.search(FAULTS[name][1], str(error))


@pytest.mark.parametrize("name", ["dripping", "dripping in the status line", "dripping in a header"])
def test_what_drips_is_let_go_of(hub: Hub, name: str) -> None:
    """The connection ends with the exchange: nothing of it is left to run in the background."""
    gone = threading.Event()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        try:
            FAULTS[name][0](handler)
        except ConnectionError:
            gone.set()

    hub.fault = drips
    with pytest.raises(ValueError, match=r"the Hub did not answer within 0\.6 s"):
        load_model_metadata("org/model")
    assert gone.wait(30)
