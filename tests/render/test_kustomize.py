"""The kustomization, built by kubectl's own kustomize where it is installed."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.render.readers import documents
from tests.render.samples import a_config
from wizard_tui.render.kustomize import render_kustomization
from wizard_tui.render.registry import ARTIFACTS


def test_the_secret_is_made_from_a_file_that_is_not_written() -> None:
    (document,) = documents(render_kustomization(a_config()))
    assert document["resources"] == [ARTIFACTS["k8s"].filename]
    assert document["secretGenerator"] == [{"name": "vllm-qwen3-8b", "envs": [".env"]}]
    (offline,) = documents(render_kustomization(a_config(model="/m", deployment={"model_is_local": True})))
    assert "secretGenerator" not in offline


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_builds_the_manifests_and_the_secret_they_refer_to(tmp_path: Path) -> None:
    config = a_config(served_model_name="a: $(b) 'c\"\n- d", deployment={"api_key_env": "KEY"})
    for name in ("k8s", "kustomize"):
        (tmp_path / ARTIFACTS[name].filename).write_text(ARTIFACTS[name].file_text(config), encoding="utf-8")
    (tmp_path / ".env").write_text("HF_TOKEN=hf_x\nKEY=k\n")
    ran = subprocess.run(["kubectl", "kustomize", str(tmp_path)], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    built = {document["kind"]: document for document in documents(ran.stdout.decode())}
    (server,) = built["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert "a: $$(b) 'c\"\n- d" in server["command"]
    reference = server["env"][1]["valueFrom"]["secretKeyRef"]
    assert reference["name"] == built["Secret"]["metadata"]["name"]
    assert base64.b64decode(built["Secret"]["data"][reference["key"]]) == b"k"
