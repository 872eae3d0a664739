"""Everything that may come instead of the Hub's answer ends in one sentence, within bounds of time and memory."""

from __future__ import annotations

import tracemalloc

import pytest

from tests.models.hub_faults import FAULTS
from tests.models.hub_server import Hub
from wizard_tui.models import hub as reading
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
