"""The live panels: bars to scale, places that stay, and what the last edit changed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from tests.tui.conftest import opened, settled, text_of, typed
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.schemas.outputs import MemoryBreakdown
from wizard_tui.tui.widgets.vram_bar import bar, parts_of

GIB = 1 << 30
CARD = get_gpu_by_name("RTX 4090")
ROOMY = MemoryBreakdown(
    total=80 * GIB, used_by_others=8 * GIB, budget=70 * GIB, weights=40 * GIB, activation_peak=4 * GIB,
    cuda_graphs=4 * GIB, non_torch=4 * GIB, kv_available=18 * GIB,
    kv_available_range=(17 * GIB, 19 * GIB), kv_needed=6 * GIB, unbudgeted=0,
)  # fmt: skip


def sizes(memory: MemoryBreakdown) -> dict[str, int]:
    return {part.name: part.size for part in parts_of(memory)}


def test_the_parts_are_the_whole_gpu() -> None:
    assert sum(sizes(ROOMY).values()) == ROOMY.total
    assert sizes(ROOMY)["unbudgeted"] == 2 * GIB


@pytest.mark.parametrize(("weights", "available"), [(90, -24), (60, 6)])
def test_missing_memory_sticks_out_of_the_gpu(weights: int, available: int) -> None:
    memory = ROOMY.model_copy(
        update={"weights": weights * GIB, "kv_available": available * GIB, "kv_needed": 10 * GIB, "used_by_others": 0}
    )
    found = sizes(memory)
    assert found["short"] == (10 - available) * GIB
    assert sum(found.values()) == memory.total + found["short"]


@pytest.mark.parametrize("width", [40, 63, 117])
def test_a_bar_is_to_scale_and_fills_its_width(width: int) -> None:
    line = bar(parts_of(ROOMY), width)
    assert sum(len(text) for text, _ in line) == width
    for part, (text, _) in zip((part for part in parts_of(ROOMY) if part.size), line, strict=True):
        assert abs(len(text) - width * part.size / ROOMY.total) <= 1, part.name


async def test_an_idle_gpu_is_shown_as_idle() -> None:
    # a context of which one of them gives every user the whole
    async with opened(gpus=(CARD, CARD), model__max_model_len="4096") as pilot:
        rows = text_of(pilot, "#vram").splitlines()
        assert rows[0].startswith("2 x NVIDIA GeForce RTX 4090")
        assert rows[1].startswith("0 ")
        assert "W" in rows[1]
        assert rows[2].startswith("1 idle ─")


async def test_a_gpu_in_use_has_a_bar_of_its_own() -> None:
    async with opened(gpus=(CARD, replace(CARD, used_bytes=6 * GIB)), hardware__tensor_parallel_size="2") as pilot:
        free, used = text_of(pilot, "#vram").splitlines()[1:3]
        assert "O" not in free
        assert used.startswith("1 ")
        assert used.count("▒") > free.count("▒")


async def test_each_part_keeps_its_place_whatever_its_size() -> None:
    async with opened(hardware__gpu="RTX 4090") as pilot:
        before = text_of(pilot, "#vram").splitlines()
        await pilot.press("ctrl+n", "tab")
        await typed(pilot, "131072")
        await settled(pilot)
        after = text_of(pilot, "#vram").splitlines()
        assert "short" in after[-1]
        assert "short" not in before[-1]
        for name in ("KV needed", "Weights", "Non-torch", "Spare KV", "CUDA Graphs", "unbudgeted"):
            places = [
                next((y, line.index(name)) for y, line in enumerate(lines) if name in line) for lines in (before, after)
            ]
            assert places[0] == places[1], name


async def test_keys_typed_into_one_field_are_one_edit_whose_effect_is_said() -> None:
    async with opened(
        hardware__gpu="H100 80GB", model__max_model_len="4096", policy__gpu_memory_utilization="0.5"
    ) as pilot:
        session = pilot.app.session  # type: ignore[attr-defined]
        before = session.response.kv_cache.max_concurrency
        await pilot.app.screen.focus_path("policy.gpu_memory_utilization")  # type: ignore[attr-defined]
        await pilot.press("end", "ctrl+u")
        await typed(pilot, "0.82")
        await settled(pilot)
        after = session.response.kv_cache.max_concurrency
        assert concurrency_line(pilot).endswith(f"{100 * (after / before - 1):+.0f} %"), "against 0.5, and not 0.8"
        assert after > before
        await pilot.app.screen.focus_path("model.kv_cache_dtype")  # type: ignore[attr-defined]
        await pilot.press("right", "right", "right")
        await settled(pilot)
        assert concurrency_line(pilot).endswith("+100 %"), "of fp8 alone: another field is another edit"


def concurrency_line(pilot: Pilot[str]) -> str:
    lines = text_of(pilot, "#feasibility").splitlines()
    return next(line for line in lines if "Maximum concurrency" in line).rstrip()


async def test_requests_of_another_length_are_not_compared() -> None:
    async with opened(hardware__gpu="H100 80GB", model__max_model_len="4096") as pilot:
        for length in ("8192", ""):
            await pilot.app.screen.focus_path("model.max_model_len")  # type: ignore[attr-defined]
            await pilot.press("end", "ctrl+u", *length)
            await settled(pilot)
            # another field, so that the next length is another edit
            await pilot.press("tab")
            assert concurrency_line(pilot).endswith("x"), f"{length or 'auto'}: no change beside it"


async def test_copies_of_a_server_are_counted_together() -> None:
    cards = [replace(get_gpu_by_name("H100 80GB"), index=index) for index in range(4)]
    async with opened(gpus=tuple(cards), model__max_model_len="4096", hardware__data_parallel_size="1") as pilot:
        session = pilot.app.session  # type: ignore[attr-defined]
        before = session.response.kv_cache.max_concurrency
        await pilot.app.screen.focus_path("hardware.data_parallel_size")  # type: ignore[attr-defined]
        await pilot.press("end", "ctrl+u", "4")
        await settled(pilot)
        assert session.response.config.data_parallel_size == 4
        after = session.response.kv_cache.max_concurrency
        assert concurrency_line(pilot).endswith(f"{100 * (4 * after / before - 1):+.0f} %")
        assert after <= before


async def test_changes_are_shown_in_gib_and_in_factors() -> None:
    async with opened(
        hardware__gpu="H100 80GB", model__max_model_len="1024", policy__gpu_memory_utilization="0.25"
    ) as pilot:
        for share, sign in (("0.95", "  +"), ("0.5", "  -")):
            await pilot.app.screen.focus_path("policy.gpu_memory_utilization")  # type: ignore[attr-defined]
            await pilot.press("end", "ctrl+u")
            await typed(pilot, share)
            await settled(pilot)
            (line,) = (line for line in text_of(pilot, "#feasibility").splitlines() if "Available KV" in line)
            assert line.rstrip().endswith(" GiB")
            assert sign in line
            assert concurrency_line(pilot).endswith(" times" if share == "0.95" else " %")
            # another field, so that the next share is another edit
            await pilot.app.screen.focus_path("model.max_model_len")  # type: ignore[attr-defined]
            await pilot.press("end", "0", "backspace")
            await settled(pilot)


@pytest.mark.parametrize("size", [(100, 30), (120, 36), (200, 60)])
async def test_no_figure_is_cut_off(size: tuple[int, int]) -> None:
    async with opened(size, hardware__gpu="H200", hardware__gpus="8") as pilot:
        for panel in ("#feasibility", "#vram"):
            width = pilot.app.screen.query_one(panel).size.width
            lines = text_of(pilot, panel).splitlines()
            assert max(len(line.rstrip()) for line in lines[1:]) <= width


async def test_warnings_for_which_there_is_no_room_stand_on_review() -> None:
    cards = (CARD, CARD, replace(CARD, total_bytes=48 * GIB))
    async with opened((100, 30), gpus=cards, policy__host="0.0.0.0", workload__prompt_tokens="90000") as pilot:
        warnings = pilot.app.session.response.feasibility.warnings  # type: ignore[attr-defined]
        assert len(warnings) >= 3
        assert "more on Review" in text_of(pilot, "#feasibility")
        await pilot.press(*["ctrl+n"] * 5)
        await settled(pilot)
        review = " ".join(text_of(pilot, "#review-lines").split())
        assert all(" ".join(warning.split()) in review for warning in warnings)
