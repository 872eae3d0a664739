"""Which files belong to a deployment."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.planning.conftest import facts, request
from tests.render.readers import compose_value, documents, run_bash, unit_settings, unit_words
from wizard_tui.launch.deployment import artifact_names, deployment_files
from wizard_tui.planning.planner import plan, run_plan
from wizard_tui.render.registry import ARTIFACTS
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse
from wizard_tui.schemas.profile import parse_profile


def test_names_have_one_order_and_come_once() -> None:
    assert artifact_names(["k8s", "command", "serve"]) == ("serve", "k8s")
    assert artifact_names(["ALL"]) == (*ARTIFACTS, "profile")


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
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


def test_all_leaves_out_artifacts_for_another_number_of_machines_and_naming_one_is_refused() -> None:
    asked = request()
    response = plan(asked, facts())
    files = deployment_files(asked, response, ["all"])
    assert "vllm.service" in files
    assert "ray.sh" not in files
    with pytest.raises(ValueError, match="ray is for several machines, the plan has 1"):
        deployment_files(asked, response, ["serve", "ray"])


def test_a_kustomization_comes_with_its_resources() -> None:
    assert artifact_names(["kustomize"]) == ("k8s", "kustomize", "env")


def test_the_readme_tells_of_the_files_that_are_there_and_no_others() -> None:
    asked = request()
    text = deployment_files(asked, plan(asked, facts()), ["serve"])["README.md"].text
    assert "./serve.sh" in text
    assert "docker" not in text
    assert "profile.yaml" not in text
    again = deployment_files(asked, plan(asked, facts()), ["serve", "profile"])["README.md"].text
    assert "vllm-wizard-tui generate --profile profile.yaml --output-dir .\n" in again


def test_a_volume_is_as_large_as_the_checkpoint_that_goes_into_it() -> None:
    known = facts()
    sized = replace(known.metadata.repository, checkpoint_bytes=16 << 30)
    known = replace(known, metadata=replace(known.metadata, repository=sized))
    asked = request()
    assert 'storage: "36Gi"' in deployment_files(asked, plan(asked, known), ["k8s"])["k8s.yaml"].text


def test_a_directory_with_a_terrible_name_is_served_from_every_file(models: Path) -> None:
    folder = models / 'it\'s $(touch x) `y` ${HOME} %n {{z}}\n# - a: "b"'
    (models / "llama-8b").rename(folder)
    asked = PlanRequest.model_validate({"model": {"model": str(folder)}, "hardware": {"gpu": "H100 80GB"}})
    files = deployment_files(asked, run_plan(asked), ["all"])
    assert run_bash(files["serve.sh"].text, "vllm")[2] == str(folder)
    words = run_bash(files["docker-run.sh"].text, "docker")
    assert f"source={folder}" in next(csv.reader(io.StringIO(words[words.index("--mount") + 1], newline="")))
    (compose,) = documents(files["docker-compose.yaml"].text)
    sources = [volume["source"] for volume in compose["services"]["vllm"]["volumes"]]
    assert str(folder) in [compose_value(source, {}) for source in sources]
    pod = documents(files["k8s.yaml"].text)[-1]["spec"]["template"]["spec"]
    assert {"name": "model", "hostPath": {"path": str(folder)}} in pod["volumes"]
    (command,) = unit_settings(files["vllm.service"].text)["Service.ExecStart"]
    assert unit_words(command)[3] == str(folder)
    assert parse_profile(files["profile.yaml"].text).model.model == str(folder)
