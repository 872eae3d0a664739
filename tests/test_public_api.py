"""The documented functions, called with exactly their documented arguments."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import wizard_tui
from tests.planning.conftest import LLAMA_8B, facts, request
from wizard_tui.hardware.gpu import Detection


@pytest.fixture
def model(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B))
    return str(tmp_path)


def test_run_plan(model: str) -> None:
    asked = wizard_tui.PlanRequest.model_validate({"model": {"model": model}, "hardware": {"gpu": "H100 80GB"}})
    response = wizard_tui.run_plan(asked)
    assert isinstance(response, wizard_tui.PlanResponse)
    assert response.feasibility.fits
    memory = response.memory
    parts = memory.weights + memory.activation_peak + memory.cuda_graphs + memory.non_torch + memory.kv_available
    assert parts == memory.budget


def test_errors_of_run_plan_are_the_documented_ones(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(path: str, **hardware: object) -> wizard_tui.PlanRequest:
        return wizard_tui.PlanRequest.model_validate({"model": {"model": path}, "hardware": hardware})

    monkeypatch.setattr("wizard_tui.hardware.detect.detect", lambda: Detection(problems=("nothing here",)))
    with pytest.raises(ValueError, match="no GPU was detected"):
        wizard_tui.run_plan(asked(model))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        wizard_tui.run_plan(asked(str(empty), gpu="H100"))
    (empty / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="hidden_layers"):
        wizard_tui.run_plan(asked(str(empty), gpu="H100"))


def test_load_model_metadata(model: str) -> None:
    metadata = wizard_tui.load_model_metadata(model, None, False, None)
    assert metadata.num_hidden_layers == 32
    assert metadata.num_params == pytest.approx(8.03e9, rel=0.001)


def test_gpus() -> None:
    assert isinstance(wizard_tui.detect_gpus(), list)
    gpu = wizard_tui.get_gpu_by_name("H100 80GB")
    assert wizard_tui.recommend_tensor_parallel([gpu] * 8) == 8
    assert wizard_tui.recommend_tensor_parallel([gpu]) == 1


def test_memory_by_count() -> None:
    metadata = facts().metadata
    weights = wizard_tui.compute_weights_memory(params_b=8, dtype="bf16", quantization="fp8")
    assert weights == 8_000_000_000
    cache = wizard_tui.compute_kv_cache_memory(
        metadata=metadata, context_len=4096, concurrency=2, kv_dtype="auto", dtype="bf16", fragmentation_factor=1.0
    )
    # 2 x 8 heads x 128 x 2 bytes x 32 layers a token
    assert cache == 2 * 4096 * 131072
    overhead = wizard_tui.compute_overhead(vram_total_bytes=80 << 30, tp_size=2, fixed_overhead_gb=3.0)
    assert overhead == 3 << 30
    report = wizard_tui.compute_feasibility(weights, cache, overhead, 80 << 30, metadata=metadata)
    assert report.fits
    rest = {"allocatable_bytes": 70 << 30, "weights_bytes": weights, "overhead_bytes": overhead, "metadata": metadata}
    many = wizard_tui.compute_max_concurrency_at_context(**rest, context_len=4096)
    long = wizard_tui.compute_max_context_at_concurrency(**rest, concurrency=many)
    assert many > 2
    assert long >= 4096


def test_recommendations_and_speed() -> None:
    known = facts()
    total = sum(gpu.total_bytes for gpu in known.gpus)
    config = wizard_tui.generate_recommendations(request(), known.metadata, known.gpus, total)
    assert isinstance(config, wizard_tui.VLLMConfig)
    speed = wizard_tui.estimate_performance(
        gpu_name="H100 80GB", params_b=8, tp_size=1, context_len=4096, prompt_tokens=512, quantization=None,
        interconnect="unknown", num_gpus=1,
    )  # fmt: skip
    low, high = speed.single_stream_toks_per_s_range
    # 3.35 TB/s over 16 GB of weights is 209 tokens a second at the very best
    assert 50 < low < high < 260


@pytest.mark.parametrize("name", ["serve_command", "docker_command", "docker_compose", "k8s_values"])
def test_renderers(name: str) -> None:
    config = wizard_tui.generate_recommendations(request(), facts().metadata, facts().gpus, 80 << 30)
    text = getattr(wizard_tui, f"render_{name}")(config)
    assert "test/llama-8b" in text
    assert text.endswith("\n") or "\n" in text


def test_a_name_is_no_module_of_the_same_name() -> None:
    """What loads it later, such as the planner, puts the module in the place of the function."""
    code = "from wizard_tui import run_plan, plan, resolve; assert callable(plan) and callable(resolve), resolve"
    subprocess.run([sys.executable, "-c", code], check=True)
