"""Everything that may come instead of the Hub's answer ends in one sentence, within bounds of time and memory."""

from __future__ import annotations

import copy
import json
import re
import threading
import tracemalloc
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.models.hub_faults import FAULTS, body
from tests.models.hub_server import SHA, Hub
from tests.planning.conftest import LLAMA_8B
from wizard_tui.errors import Refusal
from wizard_tui.models import hub as reading
from wizard_tui.models.hub import check_access
from wizard_tui.models.load import load_model_metadata
from wizard_tui.models.search import search_hub

LIMIT_BYTES = 1 << 20
ODD = st.sampled_from(
    [
        10**400,
        -(10**400),
        1 << 62,
        -1,
        0,
        1.5,
        float("nan"),
        float("inf"),
        True,
        None,
        "x",
        "7",
        "\x1b[31m\n",
        [],
        {},
        [[]],
    ]
)
ANY = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
SAID: dict[str, Any] = {
    "id": "org/model", "sha": SHA, "gated": False, "pipeline_tag": "text-generation", "cardData": {"license": "mit"},
    "siblings": [{"rfilename": "config.json", "size": 9}, {"rfilename": "model.safetensors", "size": 99}],
}  # fmt: skip


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
    except Refusal as error:
        assert str(error).isprintable()


@pytest.mark.parametrize("name", FAULTS)
def test_the_question_for_access_to_a_hub_that_fails(hub: Hub, name: str) -> None:
    hub.fault = FAULTS[name][0]
    try:
        # any answer that is no refusal is a yes, whatever it holds
        check_access("org/model")
    except Refusal as error:
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


@settings(
    max_examples=80, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(st.lists(st.tuples(st.sampled_from([*SAID, "size", "rfilename", "license"]), ANY), min_size=1, max_size=3))
def test_any_values_in_an_answer_are_a_model_or_one_sentence(hub: Hub, spoilt: list[tuple[str, Any]]) -> None:
    said = copy.deepcopy(SAID)
    for key, value in spoilt:
        holder = said["siblings"][1] if key in ("size", "rfilename") and isinstance(said["siblings"], list) else said
        holder = said["cardData"] if key == "license" and isinstance(said["cardData"], dict) else holder
        with suppress(TypeError, IndexError):
            holder[key] = value

    def answer(handler: BaseHTTPRequestHandler) -> None:
        listing = handler.path.startswith("/api/models/org/model")
        body(json.dumps(said if listing else LLAMA_8B).encode())(handler)

    hub.fault = answer
    try:
        found = reading.fetch("org/model")
    except Refusal as error:
        assert str(error).isprintable()
        assert len(str(error)) < 400
        return
    assert found.num_hidden_layers == LLAMA_8B["num_hidden_layers"]
    assert found.repository.checkpoint_bytes is None or found.repository.checkpoint_bytes < 1 << 41
