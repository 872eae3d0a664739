"""The wizard's state without a screen."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tui.conftest import load_model
from wizard_tui.schemas.profile import parse_profile
from wizard_tui.tui.fields import MODEL, all_fields
from wizard_tui.tui.session import START, Session


def planned(**fields: str) -> Session:
    session = Session()
    session.set({MODEL: "llama-8b", "hardware.gpu": "H100 80GB"})
    session.set({name.replace("__", "."): text for name, text in fields.items()})
    session.model_ready("llama-8b", load_model("llama-8b", None, None))
    session.replan()
    return session


def test_it_starts_with_a_model_that_is_marked_as_suggested() -> None:
    session = Session()
    assert session.texts[MODEL] == START[MODEL]
    assert session.origins[MODEL] == "suggested"
    assert session.undo() == {}


def test_a_plan_comes_from_valid_fields() -> None:
    session = planned(workload__concurrency="16")
    assert session.errors == {}
    assert session.response is not None
    assert session.plan is not None
    assert session.plan.decision.request.workload.concurrency == 16
    assert session.stale is None


def test_an_error_keeps_the_last_plan_and_the_text() -> None:
    session = planned()
    before = session.response
    session.set({"workload.concurrency": "many"})
    session.replan()
    assert session.response is before
    assert session.errors == {"workload.concurrency": "must be a number, not 'many'"}
    assert session.texts["workload.concurrency"] == "many"
    assert session.stale == "concurrency must be a number, not 'many'"


def test_facts_of_a_model_that_is_no_longer_wanted_are_dropped() -> None:
    session = planned()
    session.set({MODEL: "llama-70b"})
    assert not session.model_ready("llama-8b", load_model("llama-8b", None, None))
    assert not session.model_failed("llama-8b", "gone")
    assert session.model_failed("llama-70b", "gone")
    session.replan()
    assert session.stale == "gone"


def test_keys_typed_into_one_field_are_one_edit() -> None:
    session = planned()
    for text in ("1", "16", "16k"):
        session.set({"model.max_model_len": text})
    session.set({"hardware.gpus": "2"})
    session.undo()
    assert session.texts["hardware.gpus"] == "1"
    assert session.texts["model.max_model_len"] == "16k"
    session.undo()
    assert session.texts["model.max_model_len"] == ""


PATHS = st.sampled_from(sorted(all_fields()))


@given(st.lists(st.dictionaries(PATHS, st.text(max_size=8), min_size=1, max_size=3), max_size=12))
def test_undoing_everything_gives_the_start_and_redoing_it_the_end(edits: list[dict[str, str]]) -> None:
    session = Session()
    start = dict(session.texts), dict(session.origins)
    for edit in edits:
        session.set(edit)
    end = dict(session.texts), dict(session.origins)
    while session.undo():
        pass
    assert (session.texts, session.origins) == start
    while session.redo():
        pass
    assert (session.texts, session.origins) == end


@given(st.dictionaries(PATHS, st.text(max_size=20), max_size=8))
def test_what_is_saved_comes_back(fields: dict[str, str]) -> None:
    session = Session()
    session.set(fields)
    session.step = "policy"
    other = Session()
    other.restore(json.loads(json.dumps(session.saved())))
    assert (other.texts, other.origins, other.step) == (session.texts, session.origins, session.step)


@pytest.mark.parametrize("saved", [{}, {"version": 2}, {"version": 1, "fields": []}, {"version": 1, "fields": "x"}])
def test_saved_data_of_another_kind_is_refused(saved: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="another version"):
        Session().restore(saved)


def test_saved_rows_that_make_no_sense_are_left_out() -> None:
    session = Session()
    fields = {
        "hardware.gpus": ["4", "yours"],
        "gone.field": ["1", "yours"],
        "workload.concurrency": 7,
        "model.dtype": [1, 2],
    }
    session.restore({"version": 1, "step": "policy", "fields": fields})
    assert session.texts["hardware.gpus"] == "4"
    assert session.texts["workload.concurrency"] == "1"


def test_a_profile_fills_the_fields() -> None:
    session = Session()
    session.open_profile(
        parse_profile(
            "profile_version: 1\nmodel: {model: a/b}\nhardware: {indices: [0, 2]}\npolicy: {enforce_eager: true}"
        )
    )
    assert session.texts[MODEL] == "a/b"
    assert session.texts["hardware.indices"] == "0,2"
    assert session.texts["policy.enforce_eager"] == "yes"
    assert session.origins["policy.port"] == "default"
    assert session.draft() == {
        "model": {"model": "a/b"},
        "hardware": {"indices": "0,2"},
        "policy": {"enforce_eager": True},
    }
