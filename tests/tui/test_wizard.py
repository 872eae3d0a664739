"""The wizard as a user drives it: keys in, panels out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.conftest import ORDER, opened, settled, text_of, typed, until
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.render.registry import ARTIFACTS
from wizard_tui.tui.app import WizardApp
from wizard_tui.tui.fields import all_fields
from wizard_tui.tui.messages import Replan
from wizard_tui.tui.session import Session
from wizard_tui.tui.widgets.artifact_preview import ArtifactPreview
from wizard_tui.tui.widgets.choice import Choice

SIZES = ((80, 24), (120, 36), (200, 60))


async def test_typing_through_four_forms_gives_the_command_on_the_review_screen() -> None:
    async with opened() as pilot:
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        await pilot.press("enter")
        await pilot.press("end", "ctrl+u")
        await typed(pilot, "llama-70b")
        await pilot.press("tab")
        await typed(pilot, "16K")
        await pilot.press("enter")
        await pilot.press("end", "ctrl+u")
        await typed(pilot, "H100 80GB")
        await pilot.press("tab", "end", "ctrl+u")
        await typed(pilot, "4")
        await pilot.press("enter")
        await pilot.press("end", "ctrl+u")
        await typed(pilot, "2000")
        await pilot.press("enter")
        await typed(pilot, "0.9")
        await pilot.press("enter")
        await settled(pilot)
        # the model's facts are asked for a moment after the last key
        await until(pilot, lambda: session.response is not None and session.stale is None)
        assert session.step == "review"
        assert session.plan is not None
        assert session.plan.decision.request.workload.prompt_tokens == 2000
        review = text_of(pilot, "#review-lines")
        assert "vllm serve test/llama-70b" in review
        assert "--max-model-len 16384" in review
        assert "--tensor-parallel-size" in review
        assert "--gpu-memory-utilization 0.9" in review
        assert "KV cache available" in review


@pytest.mark.parametrize("size", SIZES)
async def test_every_step_opens_and_keeps_the_plan_in_sight(size: tuple[int, int]) -> None:
    async with opened(size, workload__concurrency="8") as pilot:
        seen = [pilot.app.session.step]  # type: ignore[attr-defined]
        for _ in ORDER[1:-1]:
            await pilot.press("ctrl+n")
            await settled(pilot)
            seen.append(pilot.app.session.step)  # type: ignore[attr-defined]
            plan = "#strip" if size[0] < 100 else "#feasibility"
            panel = pilot.app.screen.query_one(plan)
            assert panel.display
            assert panel.region.height >= 2
            assert "Fits" in text_of(pilot, plan)
        await pilot.press("ctrl+o")
        assert pilot.app.session.step == ORDER[-3]  # type: ignore[attr-defined]
        # the last step is about the server, and takes all the room
        await pilot.press("ctrl+n", "ctrl+n")
        await settled(pilot)
        assert (*seen, pilot.app.session.step) == ORDER  # type: ignore[attr-defined]
        assert not pilot.app.screen.query_one("#panels").display
        await pilot.press("ctrl+o")
        await settled(pilot)
        assert pilot.app.screen.query_one("#strip" if size[0] < 100 else "#panels").display


async def test_each_key_plans_again() -> None:
    async with opened(model__max_model_len="") as pilot:
        await pilot.press("enter", "tab")
        before = text_of(pilot, "#preview-text")
        await typed(pilot, "8")
        after_one = text_of(pilot, "#preview-text")
        await typed(pilot, "k")
        after_two = text_of(pilot, "#preview-text")
        (length,) = re.findall(r"--max-model-len (\d+) ", before)
        assert 8192 < int(length) < 131072, "what fits beside the weights"
        assert "--max-model-len 8 " in after_one
        assert "--max-model-len 8000 " in after_two
        assert "▌" in after_two, "changed lines are marked"


async def test_invalid_text_stays_with_its_reason_and_the_last_plan_is_marked() -> None:
    async with opened() as pilot:
        await pilot.press("enter", "enter", "tab")
        figures = text_of(pilot, "#feasibility")
        await pilot.press("end", "ctrl+u")
        await typed(pilot, "0")
        field = pilot.app.screen.query_one("#hardware-gpus", Input)
        assert field.value == "0"
        assert text_of(pilot, "#help") == "! GPUs: must be 1 or more, not 0"
        assert " !" in field.parent.render_line(0).text  # type: ignore[union-attr]
        assert "not applied: GPUs must be 1 or more" in text_of(pilot, "#feasibility")
        assert "!3 Hardware]" in text_of(pilot, "#stepper")
        await pilot.press("enter")
        assert pilot.app.session.step == "hardware", "Enter leads to the error and not past it"  # type: ignore[attr-defined]
        await pilot.press("end", "backspace")
        await typed(pilot, "1")
        assert text_of(pilot, "#feasibility") == figures


@pytest.mark.parametrize("text", ["-1", "0", "99999999999999999999", "many", "1e400", "²", "[/]", "$(id)"])
async def test_no_number_field_takes_nonsense(text: str) -> None:
    async with opened(workload__concurrency=text) as pilot:
        assert "workload.concurrency" in pilot.app.session.errors  # type: ignore[attr-defined]
        assert pilot.app.session.texts["workload.concurrency"] == text  # type: ignore[attr-defined]


async def test_an_unknown_model_is_reported_where_the_plan_would_be() -> None:
    async with opened(model__model="nobody/nothing") as pilot:
        assert "give a local directory" in text_of(pilot, "#feasibility")


async def test_an_unknown_gpu_is_an_error_at_its_field() -> None:
    async with opened(hardware__gpu="H20x") as pilot:
        await pilot.press("enter", "enter")
        assert "H20x" in text_of(pilot, "#help")


async def test_detected_gpus_fill_the_form_and_are_listed_on_welcome() -> None:
    gpu = get_gpu_by_name("RTX 4090")
    async with opened(gpus=(gpu, gpu)) as pilot:
        assert "2 x NVIDIA GeForce RTX 4090" in text_of(pilot, "#welcome-lines")
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        assert session.texts["hardware.gpus"] == "2"
        assert session.origins["hardware.gpus"] == "detected"


async def test_without_a_gpu_the_wizard_still_has_a_plan() -> None:
    async with opened() as pilot:
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        assert session.origins["hardware.gpu"] == "suggested"
        assert session.response is not None


async def test_a_suggestion_is_taken_by_one_key_and_taken_back_by_another() -> None:
    async with opened(hardware__gpu="RTX 4090", model__max_model_len="131072") as pilot:
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        before = dict(session.texts)
        assert session.response is not None
        suggestion = session.response.feasibility.suggestions[0]
        assert f"F4 {suggestion.title}"[:40] in text_of(pilot, "#feasibility")
        await pilot.press("f4")
        await settled(pilot)
        changed = {path for path in before if session.texts[path] != before[path]}
        assert changed == {f"{s}.{name}" for s, fields in suggestion.patch.items() for name in fields}
        assert session.response.feasibility.fits
        await pilot.press("ctrl+z")
        await settled(pilot)
        assert session.texts == before
        assert text_of(pilot, "#help").startswith("taken back: ")
        await pilot.press("ctrl+y")
        assert session.texts != before
        assert text_of(pilot, "#help").startswith("made again: ")
        await pilot.press("ctrl+y")
        assert text_of(pilot, "#help") == "nothing is left to be made again"


async def test_a_choice_turns_by_the_arrow_keys() -> None:
    async with opened() as pilot:
        await pilot.press("enter")
        pilot.app.screen.query_one("#model-kv_cache_dtype", Choice).focus()
        await pilot.press("right", "right", "right")
        assert pilot.app.session.texts["model.kv_cache_dtype"] == "fp8"  # type: ignore[attr-defined]
        assert "--kv-cache-dtype fp8" in text_of(pilot, "#preview-text")
        await pilot.press("left")
        assert pilot.app.session.texts["model.kv_cache_dtype"] == "bfloat16"  # type: ignore[attr-defined]


async def test_the_review_compares_other_ways_and_a_digit_takes_one() -> None:
    async with opened(hardware__gpu="RTX 4090", hardware__gpus="2") as pilot:
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        await pilot.press(*["ctrl+n"] * 5)
        await settled(pilot)
        review = text_of(pilot, "#review-lines")
        assert "Smallest boxes that would do" in review
        second = session.alternatives()[1]
        assert f"2 {second.title}" in review
        await pilot.press("2")
        await settled(pilot)
        assert session.plan is not None
        assert session.plan.decision.request.model.max_model_len == second.max_model_len
        await pilot.press("ctrl+z")
        await settled(pilot)
        assert session.plan.decision.request.model.max_model_len is None


async def test_the_effect_of_the_last_edit_is_shown_in_numbers() -> None:
    async with opened(hardware__gpu="H100 80GB") as pilot:
        await pilot.press("enter")
        pilot.app.screen.query_one("#model-kv_cache_dtype", Choice).focus()
        await pilot.press("right", "right", "right")
        await settled(pilot)
        (line,) = (line for line in text_of(pilot, "#feasibility").splitlines() if "Maximum concurrency" in line)
        assert line.endswith("+100 %")


async def test_an_earlier_session_is_offered_and_continued(tmp_path: Path) -> None:
    async with opened(workload__concurrency="7", state=tmp_path) as pilot:
        await pilot.press(*["ctrl+n"] * 3)
        pilot.app.action_leave()  # type: ignore[attr-defined]
    _as_if_its_process_had_ended(tmp_path)
    async with opened(state=tmp_path, resume=True) as pilot:
        welcome = text_of(pilot, "#welcome-lines")
        assert "llama-8b" in welcome
        assert "at step Workload" in welcome
        await pilot.press("enter")
        await settled(pilot)
        assert pilot.app.session.step == "workload"  # type: ignore[attr-defined]
        assert pilot.app.screen.query_one("#workload-concurrency", Input).value == "7"


async def test_an_earlier_session_can_be_declined(tmp_path: Path) -> None:
    async with opened(workload__concurrency="7", state=tmp_path) as pilot:
        await pilot.press(*["ctrl+n"] * 3)
        pilot.app.action_leave()  # type: ignore[attr-defined]
    _as_if_its_process_had_ended(tmp_path)
    async with opened(state=tmp_path, resume=True) as pilot:
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert "at step" not in text_of(pilot, "#welcome-lines")
        assert pilot.app.session.texts["workload.concurrency"] == "1"  # type: ignore[attr-defined]


def _as_if_its_process_had_ended(folder: Path) -> None:
    (path,) = folder.glob("*.json")
    path.rename(folder / "1.json")


async def test_the_keys_at_the_bottom_are_buttons() -> None:
    async with opened() as pilot:
        at = text_of(pilot, "#keys").index("Next")
        await pilot.click("#keys", offset=(at, 0))
        await settled(pilot)
        assert pilot.app.session.step == "model"  # type: ignore[attr-defined]


async def test_the_preview_has_a_tab_for_each_artifact() -> None:
    async with opened() as pilot:
        preview = pilot.app.screen.query_one(ArtifactPreview)
        preview.focus()
        found = {}
        for _ in ARTIFACTS:
            found[preview.name_shown] = text_of(pilot, "#preview-text")
            await pilot.press("right")
        assert set(found) == {name for name, made in ARTIFACTS.items() if made.nodes != "several"}
        assert found["serve"].lstrip().startswith("vllm serve")
        assert "docker run" in found["docker"]
        assert "services:" in found["compose"]
        assert "kind: Deployment" in found["k8s"]


async def test_the_text_of_a_field_is_never_read_as_markup() -> None:
    async with opened(policy__served_model_name="[red]x[/red]") as pilot:
        assert "[red]x[/red]" in text_of(pilot, "#preview-text")


async def test_a_small_terminal_gets_one_sentence_and_loses_nothing() -> None:
    async with opened((50, 12), workload__concurrency="7") as pilot:
        sentence = pilot.app.screen.query_one("#too-small")
        assert sentence.display
        assert "larger" in text_of(pilot, "#too-small")
        await pilot.resize_terminal(120, 36)
        await settled(pilot)
        assert not sentence.display
        assert pilot.app.session.texts["workload.concurrency"] == "7"  # type: ignore[attr-defined]


async def test_resizing_while_typing_keeps_text_and_focus() -> None:
    async with opened() as pilot:
        await pilot.press("enter", "tab")
        await typed(pilot, "12")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        await typed(pilot, "34")
        assert pilot.app.screen.query_one("#model-max_model_len", Input).value == "1234"


async def test_leaving_returns_the_command() -> None:
    async with opened() as pilot:
        await pilot.press("f10")
    assert isinstance(pilot.app, WizardApp)
    assert (pilot.app.return_value or "").startswith("vllm serve test/llama-8b")


async def test_copying_sends_what_the_preview_shows() -> None:
    async with opened() as pilot:
        await pilot.press("f8")
        await settled(pilot)
        assert pilot.app.clipboard == pilot.app.screen.query_one(ArtifactPreview).text


async def test_the_page_of_keys_opens_and_closes() -> None:
    async with opened() as pilot:
        await pilot.press("f1")
        assert "write files to a directory" in text_of(pilot, "#page-lines")
        await pilot.press("escape")
        assert not pilot.app.screen.query("#page-lines")


async def test_every_field_of_a_request_is_on_a_form_with_its_help() -> None:
    from wizard_tui.schemas.inputs import PlanRequest

    expected = {
        f"{section}.{name}"
        for section in ("model", "hardware", "workload", "policy")
        for name in PlanRequest.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
    }
    assert set(all_fields()) == expected
    assert all(field.help for field in all_fields().values())


async def test_the_step_line_answers_to_a_click() -> None:
    async with opened() as pilot:
        at = text_of(pilot, "#stepper").index("Policy")
        await pilot.click("#stepper", offset=(at, 0))
        await settled(pilot)
        assert pilot.app.session.step == "policy"  # type: ignore[attr-defined]


async def test_keys_that_come_faster_than_plans_are_all_kept() -> None:
    async with opened() as pilot:
        await pilot.press("enter", "tab")
        editor = pilot.app.screen.query_one("#model-max_model_len", Input)
        # as from a paste or a slow line: all keys are there before any is planned
        for digit in "123456":
            editor.insert_text_at_cursor(digit)
            pilot.app.screen.post_message(Replan())
        await settled(pilot)
        assert editor.value == "123456"
        assert pilot.app.session.texts["model.max_model_len"] == "123456"  # type: ignore[attr-defined]


async def test_names_of_the_catalogues_are_completed() -> None:
    async with opened() as pilot:
        await pilot.press("enter", "ctrl+u")
        await typed(pilot, "qwen/qwen3-32")
        await settled(pilot)
        await pilot.press("right")
        assert pilot.app.screen.query_one("#model-model", Input).value == "Qwen/Qwen3-32B"


async def test_on_a_narrow_screen_one_key_shows_all_of_the_plan_in_full_width() -> None:
    async with opened((80, 24), hardware__gpu="H100 80GB") as pilot:
        await pilot.press("enter", "f7")
        await settled(pilot)
        panel = pilot.app.screen.query_one("#feasibility")
        assert panel.region.width > 70
        assert not pilot.app.screen.query_one("#strip").display
        assert any(len(line) > 50 for line in text_of(pilot, "#feasibility").splitlines()), "wrapped for this width"
        await pilot.press("f7")
        await settled(pilot)
        assert pilot.app.screen.query_one("#model-model").region.width > 20
        await pilot.press("f7", "ctrl+n")
        await settled(pilot)
        assert pilot.app.screen.query_one("#hardware-gpu").region.width > 20, "a step shows its form"
