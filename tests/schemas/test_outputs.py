"""The flags of a plan are flags of vLLM, and those of the request among them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tests.planning.conftest import facts, request
from wizard_tui.engine.flags import flags_of
from wizard_tui.engine.versions import rules_for
from wizard_tui.planning.planner import plan
from wizard_tui.schemas.fields import RequestField, marked, passed_as_set
from wizard_tui.schemas.markers import Flag
from wizard_tui.schemas.outputs import Deployment, VLLMConfig

NO_FLAGS = {"model", "deployment", "explanations"}
NEWEST = rules_for(None).version
DEPLOYMENT = Deployment(vllm_version="0.33.0", image="x")


def test_every_field_of_the_config_is_a_flag_of_vllm() -> None:
    assert VLLMConfig.model_fields.keys() - NO_FLAGS <= flags_of(NEWEST).keys()


@pytest.mark.parametrize("field", marked(Flag), ids=lambda field: field.path)
def test_a_field_marked_as_a_flag_is_one(field: RequestField) -> None:
    assert field.name in flags_of(NEWEST)
    assert field in passed_as_set() or field.name in VLLMConfig.model_fields


@pytest.mark.parametrize("field", passed_as_set(), ids=lambda field: field.path)
def test_a_flag_is_passed_on_as_set(field: RequestField) -> None:
    kinds = str(field.info.annotation)
    value = True if "bool" in kinds else "a/b" if "str" in kinds else 16
    asked = request(**{field.section: {field.name: value}})
    config = plan(asked, facts()).config
    assert dict(config)[field.name] == field.value_in(asked)
    assert VLLMConfig.model_validate_json(config.model_dump_json()) == config


def test_a_flag_that_the_request_does_not_have_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_modle_len is no flag of a request"):
        VLLMConfig(model="a/b", max_modle_len=1, deployment=DEPLOYMENT)
