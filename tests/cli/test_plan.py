"""`plan`: text, JSON, batches, options over profiles, and every way to ask wrongly."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.planning.conftest import LLAMA_8B
from wizard_tui.cli.options import option_of
from wizard_tui.errors import Refusal
from wizard_tui.schemas.fields import request_fields
from wizard_tui.schemas.inputs import PlanRequest
from wizard_tui.schemas.outputs import PlanResponse


def test_the_report_has_verdict_memory_cache_speed_and_command(run: Run, models: Path) -> None:
    ran = run("plan", "-m", models / "llama-8b", "--gpu", "H100 80GB", "-c", "8", "--explain")
    assert ran.code == 0
    assert ran.err == ""
    for part in ("FITS", "weights", "GPU KV cache size", "Maximum concurrency", "tok/s", "vllm serve", "Why"):
        assert part in ran.out


def test_json_is_the_response_and_nothing_else(run: Run, models: Path) -> None:
    ran = run("plan", "-m", models / "llama-8b", "--gpu", "H100 80GB", "--json")
    response = PlanResponse.model_validate_json(ran.out)
    assert response.feasibility.fits
    assert set(json.loads(ran.out)) == set(PlanResponse.model_fields)


def test_explain_gives_a_reason_for_every_flag_of_the_command(run: Run, models: Path) -> None:
    ran = run(
        "plan", "-m", models / "llama-70b", "--gpu", "H100", "--gpus", "4", "--port", "9000", "--explain", "--json"
    )
    config = json.loads(ran.out)["config"]
    given = {name for name, value in config.items() if value is not None} - {"deployment", "explanations"}
    assert given == set(config["explanations"])
    assert all(config["explanations"].values())


@pytest.mark.parametrize(
    ("path", "typed", "expected"),
    [
        ("model.revision", "v1", "v1"),
        ("model.trust_remote_code", True, True),
        ("model.dtype", "fp16", "float16"),
        ("model.quantization", "fp8_per_tensor", "fp8_per_tensor"),
        ("model.kv_cache_dtype", "fp8_e4m3fn", "fp8_e4m3"),
        ("model.max_model_len", "8k", 8000),
        ("model.tokenizer", "x/y", "x/y"),
        ("model.params_b", "7.5", 7.5),
        ("hardware.gpu", "H100", "H100"),
        ("hardware.gpus", "2", 2),
        ("hardware.vram_gb", "79.2GiB", 79.2),
        ("hardware.interconnect", "nvlink", "nvlink"),
        ("hardware.tensor_parallel_size", "2", 2),
        ("hardware.pipeline_parallel_size", "1", 1),
        ("hardware.data_parallel_size", "1", 1),
        ("hardware.enable_expert_parallel", False, False),
        ("hardware.nodes", "2", 2),
        ("hardware.indices", "0,1", (0, 1)),
        ("hardware.used_gib", "1.5", 1.5),
        ("workload.prompt_tokens", "2K", 2048),
        ("workload.gen_tokens", "100", 100),
        ("workload.concurrency", "16", 16),
        ("workload.target_ttft_ms", "500", 500.0),
        ("workload.target_tpot_ms", "25.5", 25.5),
        ("workload.streaming", False, False),
        ("workload.batching_mode", "latency", "latency"),
        ("workload.shared_prefix_tokens", "256", 256),
        ("workload.measured_toks_per_s", "1500", 1500.0),
        ("workload.measured_ttft_ms", "80", 80.0),
        ("workload.measured_tpot_ms", "12.5", 12.5),
        ("workload.measured_concurrency", "16", 16),
        ("workload.measured_prompt_tokens", "1k", 1000),
        ("workload.measured_gen_tokens", "200", 200),
        ("policy.gpu_memory_utilization", "0.95", 0.95),
        ("policy.overhead_gb", "2", 2.0),
        ("policy.fragmentation_factor", "1.15", 1.15),
        ("policy.headroom_gb", "1", 1.0),
        ("policy.vllm_version", "0.29.0", "0.29.0"),
        ("policy.kv_cache_memory_bytes", "10G", 10 << 30),
        ("policy.enforce_eager", True, True),
        ("policy.max_num_seqs", "64", 64),
        ("policy.max_num_batched_tokens", "4096", 4096),
        ("policy.block_size", "32", 32),
        ("policy.enable_prefix_caching", False, False),
        ("policy.max_cudagraph_capture_size", "64", 64),
        ("policy.speculative_tokens", "1", 1),
        ("policy.lora_modules", "a=b/c", ("a=b/c",)),
        ("policy.max_loras", "2", 2),
        ("policy.max_lora_rank", "64", 64),
        ("policy.host", "0.0.0.0", "0.0.0.0"),
        ("policy.port", "9000", 9000),
        ("policy.api_key_env", "VLLM_API_KEY", "VLLM_API_KEY"),
        ("policy.served_model_name", "mine", "mine"),
        ("policy.image", "vllm/vllm-openai:v0.33.0", "vllm/vllm-openai:v0.33.0"),
    ],
)
def test_each_field_is_an_option_and_a_line_of_a_profile(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, typed: Any, expected: Any
) -> None:
    asked: list[PlanRequest] = []

    def remember(request: PlanRequest) -> PlanResponse:
        asked.append(request)
        raise Refusal("enough")

    monkeypatch.setattr("wizard_tui.planning.planner.run_plan", remember)
    section, _, name = path.partition(".")
    option = option_of(path)
    words = [option, typed] if isinstance(typed, str) else [option if typed else f"--no-{option[2:]}"]
    run("plan", "--model", "m", *words)
    profile = tmp_path / "p.yaml"
    rows: dict[str, Any] = {"profile_version": 1, "model": {"model": "m"}}
    rows.setdefault(section, {})[name] = typed
    profile.write_text(json.dumps(rows))
    run("plan", "--profile", profile)
    assert [getattr(getattr(request, section), name) for request in asked] == [expected, expected]


def test_the_table_above_has_every_field() -> None:
    marks = test_each_field_is_an_option_and_a_line_of_a_profile.pytestmark  # type: ignore[attr-defined]
    tried = {row[0] for row in marks[0].args[1]}
    assert tried | {"model.model"} == set(request_fields())


def test_options_win_over_the_profile(run: Run, models: Path, tmp_path: Path) -> None:
    profile = tmp_path / "p.yaml"
    profile.write_text(
        f"profile_version: 1\nmodel: {{model: {models / 'llama-8b'}, max_model_len: 4096}}\nhardware: {{gpu: H100}}\n"
    )
    alone = json.loads(run("plan", "-p", profile, "--json").out)
    over = json.loads(run("plan", "-p", profile, "--max-model-len", "8192", "--json").out)
    assert alone["config"]["max_model_len"] == 4096
    assert over["config"]["max_model_len"] == 8192


def test_a_batch_answers_line_by_line_and_keeps_going(run: Run, models: Path, tmp_path: Path) -> None:
    good = {"model": {"model": str(models / "llama-8b")}, "hardware": {"gpu": "H100"}}
    bad = good | {"hardware": {"gpu": "H100", "gpus": 0}}
    file = tmp_path / "requests.jsonl"
    file.write_text("\n".join([json.dumps(good), json.dumps(bad), "", "not json", json.dumps(good)]) + "\n")
    ran = run("plan", "--batch", file)
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert answers[0] == answers[3]
    assert answers[1]["error"] == "hardware.gpus must be 1 or more, not 0"
    assert ran.code == 2
    assert "line 2" in ran.err
    assert "line 4" in ran.err


def config_of(folder: Path, **changed: object) -> dict[str, Any]:
    """A request for a model with LLAMA_8B's config, apart from the changes."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(LLAMA_8B | changed))
    return {"model": {"model": str(folder)}, "hardware": {"gpu": "H100"}}


def test_no_line_of_a_batch_costs_the_others_their_answers(run: Run, tmp_path: Path) -> None:
    good = config_of(tmp_path / "good")
    bits = {"quant_method": "gptq", "bits": 10**400, "group_size": -(10**400)}
    lines: list[Any] = [
        config_of(tmp_path / "long", vocab_size=10**400),
        config_of(tmp_path / "length", max_position_embeddings=10**400),
        config_of(tmp_path / "nan", rope_scaling={"rope_type": "linear", "factor": float("inf")}),
        config_of(tmp_path / "bits", quantization_config=bits),
        good | {"workload": {"prompt_tokens": 10**400}}, good | {"workload": {"prompt_tokens": "9" * 400}},
        good | {"workload": {"prompt_tokens": True}}, good | {"policy": {"headroom_gb": 1e308}},
        {"model": {"model": "a\x1b[31m"}}, {"model": {"model": f"hf_{'a' * 34}"}}, [], 7, None, "x",
    ]  # fmt: skip
    file = tmp_path / "requests.jsonl"
    between = json.dumps(good)
    file.write_text("".join(f"{json.dumps(line)}\n{between}\n" for line in lines) + '{"model": ' + "[" * 9999 + "\n")
    ran = run("plan", "--batch", file)
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert len(answers) == 2 * len(lines) + 1
    assert all("feasibility" in answer for answer in answers[1::2])
    assert ran.code == 2
    assert "a fault of this program" not in ran.out + ran.err
    assert f"hf_{'a' * 9}" not in ran.out + ran.err
    for answer in answers[::2]:
        assert "error" not in answer or len(answer["error"]) < 300


def test_a_fault_of_ours_costs_one_line_and_is_said_to_be_ours(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wizard_tui.planning.planner import plan

    def breaks(request: PlanRequest, facts: Any) -> PlanResponse:
        if request.workload.concurrency == 2:
            raise ZeroDivisionError("Zq9")
        return plan(request, facts)

    monkeypatch.setattr("wizard_tui.cli.batch.plan", breaks)
    good = config_of(tmp_path / "good")
    file = tmp_path / "requests.jsonl"
    requests = [good, good | {"workload": {"concurrency": 2}}, good | {"workload": {"concurrency": 0}}, good]
    file.write_text("".join(json.dumps(one) + "\n" for one in requests))
    ran = run("plan", "--batch", file)
    answers = [json.loads(line) for line in ran.out.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, True, False]
    assert answers[1]["error"].startswith("a fault of this program (ZeroDivisionError): there is no plan")
    assert "line 2: a fault of this program" in ran.err
    assert "Zq9" not in ran.out + ran.err
    assert ran.code == 70


def test_a_reader_that_stops_early_is_not_an_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_text((json.dumps(config_of(tmp_path / "good")) + "\n") * 200)
    with subprocess.Popen(
        [sys.executable, "-m", "wizard_tui", "plan", "--batch", str(file)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert "feasibility" in json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


@pytest.mark.parametrize(
    ("closed", "arguments", "said"),
    [
        (">&-", ["plan", "-m", "Qwen/Qwen3-8B", "--gpu", "H100"], "stdout is closed"),
        (">&-", ["detect"], "stdout is closed"),
        ("<&-", ["plan", "--batch", "-"], "stdin is closed"),
        ("<&-", ["verify", "-"], "stdin is closed"),
    ],
)
def test_a_stream_that_is_closed_is_one_sentence(closed: str, arguments: list[str], said: str) -> None:
    line = f"{shlex.join([sys.executable, '-m', 'wizard_tui', *arguments])} {closed}"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert ran.returncode == 2, ran.stderr
    assert said in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no model is given"),
        (["-m", "", "--gpu", "H100"], "--model must not be empty"),
        (["-m", "x", "--gpus", "0"], "--gpus must be 1 or more, not 0"),
        (["-m", "x", "--gpus", "two"], "--gpus must be a number, not 'two'"),
        (["-m", "x", "-c", "-5"], "--concurrency must be 1 or more, not -5"),
        (["-m", "x", "--vram-gb", "-8"], "--vram-gb must be more than 0"),
        (["-m", "x", "--vram-gb", "inf"], "--vram-gb must be"),
        (["-m", "x", "--gpu-memory-utilization", "1.5"], "--gpu-memory-utilization must be 1 or less"),
        (["-m", "x", "--gpu-memory-utilization", "nan"], "--gpu-memory-utilization must be"),
        (["-m", "x", "--dtype", "fp15"], "did you mean fp16?"),
        (["-m", "x", "--max-model-len", "99999999999999"], "--max-model-len must be"),
        (["-m", "x", "--prompt-tokens", "9" * 400], "--prompt-tokens must be 1,073,741,824 or less, not 999"),
        (["-m", "x", "--prompt-tokens", "9" * 5000], "--prompt-tokens must be"),
        (["-m", "x", "--vram-gb", "9" * 400], "--vram-gb must be"),
        (["-m", "x", "--port", "9" * 400], "--port must be"),
        (["-m", "x", "--params-b", "1e400"], "--params-b must be"),
        (["-m", "x", "--indices", "9" * 400], "--indices must be"),
        (["-m", "x", "--bogus", "1"], "--bogus"),
        (["-m", "./not/there", "--gpu", "H100"], "./not/there does not exist"),
        (["-p", "/not/there.yaml"], "/not/there.yaml cannot be read"),
        (["--batch", "/not/there.jsonl"], "/not/there.jsonl cannot be read"),
        (["--batch", "x", "-m", "y"], "--batch takes its requests from the file alone"),
    ],
)
def test_wrong_input_is_one_sentence_on_stderr_and_exit_code_2(run: Run, arguments: list[str], said: str) -> None:
    ran = run("plan", *arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert "Traceback" not in ran.err
    assert "pydantic" not in ran.err


def test_a_gpu_that_is_not_known_has_near_names(run: Run, models: Path) -> None:
    ran = run("plan", "-m", models / "llama-8b", "--gpu", "H20x")
    assert ran.code == 2
    assert "NVIDIA H20" in ran.err


def test_a_broken_config_names_the_missing_key(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": 64, "vocab_size": 100}')
    ran = run("plan", "-m", tmp_path, "--gpu", "H100")
    assert ran.code == 2
    assert "num_hidden_layers" in ran.err


def test_control_characters_of_a_name_do_not_reach_the_terminal(run: Run) -> None:
    ran = run("plan", "-m", "./evil\x1b[31m\nname", "--gpu", "H100")
    assert ran.code == 2
    assert "\x1b" not in ran.err
    assert ran.err.count("\n") == 1


def test_an_error_of_ours_is_not_taken_for_a_refusal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wizard_tui.planning.estimate.kv_needed_bytes", lambda *_: int("Zq9"))
    # a length that no other test uses: estimates are cached, and a cached plan would not meet the fault
    ran = run("plan", "-m", "Qwen/Qwen3-8B", "--gpu", "H100 80GB", "--max-model-len", 4321)
    assert ran.code == 70
    assert "a fault of this program, not of yours: ValueError" in ran.err
    assert "Zq9" not in ran.err
