"""`verify`: a log beside the plan of that server."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import Run
from wizard_tui.hardware.catalog import get_gpu_by_name
from wizard_tui.hardware.gpu import Detection
from wizard_tui.hardware.observed import Observations

# a public log: vllm/vllm-openai:v0.31.0, A100 80 GB, all defaults
LOG = """
INFO 11-02 09:00:00 [utils.py:233] vLLM server version 0.31.0, serving model meta-llama/Llama-3.1-8B-Instruct
INFO 11-02 09:00:00 [utils.py:233] non-default args: {'model': 'meta-llama/Llama-3.1-8B-Instruct'}
INFO 11-02 09:00:03 [model.py:1] Using max model len 131072
INFO 11-02 09:01:00 [gpu_model_runner.py:1] Model loading took 15.0 GiB memory and 4.1 seconds
INFO 11-02 09:01:30 [gpu_worker.py:1] Available KV cache memory: 56.21 GiB
INFO 11-02 09:01:30 [kv_cache_utils.py:1] GPU KV cache size: 460,496 tokens
INFO 11-02 09:01:30 [kv_cache_utils.py:1] Maximum concurrency for 131,072 tokens per request: 3.51x
INFO 11-02 09:02:00 [api_server.py:1] Application startup complete.
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "vllm.log"
    path.write_text(LOG)
    return path


def test_the_figures_of_a_public_log_lie_in_their_bands(run: Run, log: Path) -> None:
    ran = run("verify", log, "--gpu", "A100-SXM4-80GB")
    assert ran.code == 0, ran.out + ran.err
    for name in ("Model loading took", "Available KV cache memory", "GPU KV cache size", "Maximum concurrency"):
        assert name in ran.out
    assert "every figure lies in its band" in ran.out


def test_json_has_the_same_and_the_request(run: Run, log: Path) -> None:
    found = json.loads(run("verify", log, "--gpu", "A100-SXM4-80GB", "--json").out)
    assert found["request"]["policy"]["vllm_version"] == "0.31.0"
    assert [figure["actual"] for figure in found["figures"]] == [15.0, 56.21, 460496, 3.51]


def test_a_log_comes_from_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(LOG))
    assert run("verify", "-", "--gpu", "A100-SXM4-80GB").code == 0


def test_a_server_that_is_not_the_planned_one_is_outside(run: Run, log: Path) -> None:
    ran = run("verify", log, "--gpu", "H100 NVL", "--gpu-memory-utilization", "0.5")
    assert ran.code == 1
    assert "outside its band: " in ran.out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not name its model"),
        ("hello\n\x00\xff", "does not name its model"),
        (LOG.split("INFO 11-02 09:01:00")[0], "no line in which vLLM tells of its memory"),
        (LOG.replace("{'model'", "{'tensor_parallel_size': None, 'model'").split("INFO 11-02 09:01:00")[0], "no line"),
    ],
)
def test_a_log_without_figures_is_reported(run: Run, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(text)
    ran = run("verify", path, "--gpu", "A100-SXM4-80GB")
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize("figure", ["15.0", "56.21", "460,496", "3.51", "131,072"])
@pytest.mark.parametrize("long", ["9" * 400, "9" * 400 + ".5", "9" * 5000])
def test_a_figure_that_no_server_prints_is_ignored(run: Run, tmp_path: Path, figure: str, long: str) -> None:
    path = tmp_path / "x.log"
    path.write_text(LOG.replace(figure, long))
    ran = run("verify", path, "--gpu", "A100-SXM4-80GB")
    assert ran.code == 0, ran.err
    assert "9999" not in ran.out
    assert "every figure lies in its band" in ran.out


@pytest.mark.parametrize("size", ["'x'", "9" * 400, "-1", "[]", "True", "1e400"])
def test_an_impossible_argument_is_one_sentence(run: Run, tmp_path: Path, size: str) -> None:
    path = tmp_path / "x.log"
    blocks = "INFO 11-02 09:01:30 [x.py:1] # GPU blocks: 28781, # CPU blocks: 0"
    path.write_text(LOG.replace("{'model'", f"{{'block_size': {size}, 'model'").replace("GPU KV cache size", blocks))
    ran = run("verify", path, "--gpu", "A100-SXM4-80GB")
    assert ran.code in (0, 1, 2)
    assert len(ran.err.splitlines()) <= 1


def test_a_file_that_is_not_there(run: Run) -> None:
    assert "cannot be read" in run("verify", "/not/there.log").err


def test_a_start_that_failed_is_explained(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "failed.log"
    ending = "ERROR 11-02 09:01:00 [core.py:1] ValueError: No available memory for the cache blocks."
    failed = [*LOG.splitlines()[:4], ending]
    path.write_text("\n".join(failed))
    ran = run("verify", path, "--gpu", "A100-SXM4-80GB")
    assert ran.code == 1
    assert "it ended: weights, activations and CUDA graphs leave nothing" in ran.err
    assert "--gpu-memory-utilization 0.95" in ran.err


def test_a_start_that_failed_before_it_named_its_model(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "failed.log"
    path.write_text("usage: vllm serve\nvllm: error: unrecognized arguments: --no-such-flag\n")
    ran = run("verify", path)
    assert ran.code == 1
    assert "does not take --no-such-flag" in ran.err


def test_the_failure_is_in_the_json_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "failed.log"
    path.write_text("\n".join([*LOG.splitlines()[:6], "ValueError: No available memory for the cache blocks."]))
    found = json.loads(run("verify", path, "--gpu", "A100-SXM4-80GB", "--json").out)
    assert found["failure"]["name"] == "no cache"
    assert found["figures"][0]["difference"] == pytest.approx(0.01, abs=0.01)


def test_a_log_is_kept_for_the_next_plan_of_this_machine(
    run: Run, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    refused = run("verify", log, "--gpu", "A100-SXM4-80GB", "--keep")
    assert refused.code == 2
    assert "this machine's own GPUs" in refused.err
    here = Detection(gpus=(replace(get_gpu_by_name("A100-SXM4-80GB"), index=0),))
    monkeypatch.setattr("wizard_tui.hardware.detect.detect", lambda: here)
    kept = run("verify", log, "--keep")
    assert kept.code == 0, kept.err
    assert "kept as calibration of this machine: +0.0" in kept.err
    (seen,) = Observations().all()
    assert (seen.gpu, seen.vllm_version) == (here.gpus[0].name, "0.31.0")
