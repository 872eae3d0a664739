"""What starts on this machine have shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from wizard_tui.hardware.observed import Correction, Observation, Observations, correction

GIB = 1 << 30


def seen(model: str = "a", more: int = GIB, at: str = "2026-01-01", **other: str) -> Observation:
    fields = {"gpu": "H100", "vllm_version": "0.33.0", "layout": "TP 1", **other}
    return Observation(model=model, more_bytes=more, at=at, **fields)


def test_the_last_start_of_the_same_plan_counts() -> None:
    rows = (seen(more=3), seen(more=5, at="2026-01-02"), seen("b", more=9))
    assert correction(rows, "H100", "0.33.0", "a", "TP 1") == Correction(5, 2)


def test_one_other_model_says_nothing_two_do() -> None:
    one = (seen("a", more=2), seen("a", more=4, at="2026-01-02"))
    assert correction(one, "H100", "0.33.0", "z", "TP 1") == Correction()
    two = (*one, seen("b", more=8))
    assert correction(two, "H100", "0.33.0", "z", "TP 1") == Correction(6, 2)


@pytest.mark.parametrize("other", [{"gpu": "A100"}, {"vllm_version": "0.32.0"}])
def test_another_box_or_version_says_nothing(other: dict[str, str]) -> None:
    assert correction((seen(**other), seen("b", **other)), "H100", "0.33.0", "a", "TP 1") == Correction()


def test_another_layout_of_the_model_is_another_plan() -> None:
    assert correction((seen(layout="TP 2"),), "H100", "0.33.0", "a", "TP 1") == Correction()


def test_it_is_kept_and_removed(tmp_path: Path) -> None:
    kept = Observations(tmp_path / "s" / "observed.json")
    assert kept.all() == ()
    kept.add(seen("a"))
    kept.add(seen("b"))
    assert [one.model for one in Observations(kept.path).all()] == ["a", "b"]
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.clear() == 2
    assert kept.all() == ()
    assert kept.clear() == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"observed": 7}', '{"observed": [{"gpu": 1}]}', '{"other": []}', "[" * 9999]
)
def test_a_file_that_is_none_is_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "observed.json"
    path.write_text(text)
    assert Observations(path).all() == ()


def test_the_file_does_not_grow_for_ever(tmp_path: Path) -> None:
    kept = Observations(tmp_path / "observed.json")
    for number in range(205):
        kept.add(seen(more=number))
    assert len(kept.all()) == 200
    assert kept.all()[-1].more_bytes == 204


@pytest.mark.parametrize("place", ["file", "folder"])
def test_what_others_may_write_corrects_nothing(tmp_path: Path, place: str) -> None:
    kept = Observations(tmp_path / "s" / "observed.json")
    kept.add(seen())
    if place == "file":
        kept.path.chmod(0o666)
        assert kept.all() == ()
    else:
        kept.path.parent.chmod(0o777)
        with pytest.raises(OSError, match="may be written by others"):
            kept.add(seen())
