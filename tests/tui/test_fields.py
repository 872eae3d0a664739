"""Every field of the request stands on a form once."""

from __future__ import annotations

from wizard_tui.schemas.fields import request_fields
from wizard_tui.tui.fields import FORMS, all_fields, fields_of, fields_under, step_of


def test_every_field_is_on_a_form() -> None:
    assert set(all_fields()) == set(request_fields())
    assert [field.path for step in FORMS for field in fields_of(step)] == list(all_fields())
    assert {step_of(path) for path in all_fields()} == set(FORMS)


def test_a_row_follows_the_schema_unless_it_names_its_predecessor() -> None:
    """headroom_gb names gpu_memory_utilization, and so does kv_cache_memory_bytes, which comes later in the schema."""
    names = [field.name for field in fields_under("Memory")]
    assert names[:3] == ["gpu_memory_utilization", "kv_cache_memory_bytes", "headroom_gb"]
    assert names.index("overhead_gb") < names.index("fragmentation_factor") < names.index("block_size")


def test_no_label_comes_twice_on_a_form() -> None:
    for step in FORMS:
        labels = [field.label for field in fields_of(step)]
        assert sorted(set(labels)) == sorted(labels)
