"""Which files belong to a deployment."""

from __future__ import annotations

import json

import pytest

from tests.planning.conftest import facts, request
from wizard_tui.launch.deployment import artifact_names, deployment_files
from wizard_tui.planning.planner import plan
from wizard_tui.render import ARTIFACTS
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.schemas.profile import parse_profile


def test_names_have_one_order_and_come_once() -> None:
    assert artifact_names(["k8s", "command", "serve"]) == ("serve", "k8s")
    assert artifact_names(["ALL"]) == (*ARTIFACTS, "profile")


def test_an_unknown_name_has_its_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"no artifact 'compos' \(did you mean compose\?\); choose from serve, .* or all"
    ):
        artifact_names(["compos"])


def test_the_profile_makes_the_same_files_again() -> None:
    asked = request(workload={"concurrency": 8})
    response = plan(asked, facts())
    files = deployment_files(asked, response, ["all"])
    profile = parse_profile(files["profile.yaml"].text)
    again = deployment_files(profile.request(), plan(profile.request(), facts()), profile.outputs.emit)
    assert again == files


def test_the_plan_is_there_in_full_and_scripts_are_marked() -> None:
    asked = request()
    response = plan(asked, facts())
    files = deployment_files(asked, response)
    assert PlanResponse.model_validate(json.loads(files["plan.json"].text)) == response
    assert files["serve.sh"].executable
    assert not files["profile.yaml"].executable
