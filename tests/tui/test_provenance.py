"""Where each value comes from stands beside it, and an open field shows what the plan made of it."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.tui.conftest import load_model, opened, settled, typed
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.tui.fields import AUTO, FORMS, all_fields
from wizard_tui.tui.session import Session
from wizard_tui.tui.widgets.choice import Choice
from wizard_tui.tui.widgets.field_row import FieldRow

ROUNDED = ("vram_gb", "used_gib", "params_b")
CARD = get_gpu_by_name("RTX 4090")


def row_text(row: FieldRow) -> str:
    return row.render_line(0).text


def plan(session: Session) -> Session:
    session.model_ready(session.texts["model.model"], load_model(session.texts["model.model"], None, None))
    session.gpus_found(())
    session.replan()
    return session


async def test_the_four_words() -> None:
    async with opened(gpus=(CARD, CARD), model__model="llama-70b", hardware__tensor_parallel_size="1") as pilot:
        await pilot.press("ctrl+n", "ctrl+n")
        pilot.app.screen.patch({"hardware": {"data_parallel_size": 2}})  # type: ignore[attr-defined]
        await settled(pilot)
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        for step in FORMS:
            await pilot.app.screen.go(step)  # type: ignore[attr-defined]
            await settled(pilot)
            for row in pilot.app.screen.query_one(f"#{step}").query(FieldRow):
                assert row_text(row).rstrip().endswith(f" {session.origins[row.field.path]}"), row.field.path
        assert {session.origins[row.field.path] for row in pilot.app.screen.query(FieldRow)} == {
            "yours", "detected", "suggested", "default",
        }  # fmt: skip


async def test_a_value_that_is_typed_becomes_yours_and_by_undo_what_it_was() -> None:
    async with opened(gpus=(CARD, CARD)) as pilot:
        await pilot.press("ctrl+n", "ctrl+n", "tab", "ctrl+u")
        await typed(pilot, "1")
        row = pilot.app.screen.query_one("#row-hardware-gpus", FieldRow)
        assert row_text(row).rstrip().endswith("yours")
        await pilot.press("ctrl+z")
        await settled(pilot)
        assert row_text(row).rstrip().endswith("detected")


async def test_an_open_field_shows_what_the_plan_made_of_it() -> None:
    async with opened(hardware__gpu="H100 80GB") as pilot:
        await pilot.press("ctrl+n")
        length = pilot.app.screen.query_one("#model-max_model_len", Input)
        dtype = pilot.app.screen.query_one("#model-dtype", Choice)
        decided = pilot.app.session.response.config.max_model_len  # type: ignore[attr-defined]
        assert length.placeholder == f"{AUTO}: {decided or 131072}"
        assert "‹ auto › bfloat16" in dtype.render_line(0).text
        await pilot.press("tab", "tab", "tab", "right")
        assert "bfloat16" not in dtype.render_line(0).text.replace("‹ bfloat16 ›", "")


@pytest.mark.parametrize("model", ["llama-8b", "llama-70b"])
@pytest.mark.parametrize(("gpu", "gpus"), [("H100 80GB", "1"), ("H100 80GB", "4"), ("RTX 4090", "2")])
def test_what_is_shown_behind_auto_gives_the_same_plan_when_it_is_typed(model: str, gpu: str, gpus: str) -> None:
    fields = {"model.model": model, "hardware.gpu": gpu, "hardware.gpus": gpus}
    left_open, typed_out = Session(), Session()
    left_open.set(fields)
    plan(left_open)
    shown = {path: text for path, text in left_open.settled().items() if text not in ("none", AUTO, "")}
    assert {"model.max_model_len", "hardware.tensor_parallel_size", "policy.max_num_seqs"} <= set(shown)
    # a setting that is off shows as 0 and stays off when not asked for; sizes are rounded for reading
    kept = {path: text for path, text in shown.items() if text != "0" and not path.endswith(ROUNDED)}
    typed_out.set({**fields, **kept})
    plan(typed_out)
    assert typed_out.errors == {}
    assert left_open.response is not None
    assert typed_out.response is not None
    assert typed_out.response.memory == left_open.response.memory
    assert typed_out.response.kv_cache == left_open.response.kv_cache


def test_every_field_has_its_help_in_plain_words() -> None:
    for field in all_fields().values():
        assert 8 <= len(field.help) <= 100, field.path
        assert not field.help.endswith("."), "one line, as in the command line's help"
