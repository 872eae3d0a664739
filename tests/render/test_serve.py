"""The command as bash runs it."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.render.readers import options, run_bash
from tests.render.samples import a_config, named, on_two_nodes
from wizard_tui.render import render_serve_command
from wizard_tui.schemas.outputs import VLLMConfig


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    program, verb, *arguments = run_bash(render_serve_command(config), "vllm")
    assert (program, verb) == ("vllm", "serve")
    assert options(arguments)["model"] == config.model
    for field in ("served_model_name", "revision", "chat_template"):
        assert options(arguments)[field] == getattr(config, field), field


def test_one_flag_a_line() -> None:
    config = a_config(max_model_len=4096, trust_remote_code=True, enable_prefix_caching=False, port=8001)
    assert render_serve_command(config) == (
        "vllm serve Qwen/Qwen3-8B \\\n  --trust-remote-code \\\n  --max-model-len 4096 \\\n"
        "  --disable-prefix-caching \\\n  --host 127.0.0.1 \\\n  --port 8001\n"
    )


def test_a_template_that_lies_in_the_image_is_not_passed_outside_of_it() -> None:
    facts = {"chat_template": "t.jinja", "chat_template_in_image": "/vllm-workspace/examples/t.jinja"}
    assert render_serve_command(a_config(deployment=facts)) == render_serve_command(a_config())


def test_a_switched_off_flag_is_written_as_the_version_spells_it() -> None:
    before = a_config(enable_prefix_caching=False, deployment={"vllm_version": "0.32.0"})
    assert "--no-enable-prefix-caching" in render_serve_command(before)


def test_a_flag_that_the_version_lacks_is_refused() -> None:
    config = a_config(kv_cache_memory_bytes=1 << 30, deployment={"vllm_version": "0.9.0"})
    with pytest.raises(ValueError, match=r"0\.9\.0 has no --kv-cache-memory-bytes; it needs .* or newer"):
        render_serve_command(config)


@pytest.mark.parametrize("model", ["--help", "a\0b", "\ud800", "\ufffe"])
def test_a_model_that_no_command_line_can_carry_is_refused(model: str) -> None:
    with pytest.raises(ValueError, match="model"):
        render_serve_command(a_config(model=model))


def test_a_number_and_an_object_are_written_as_vllm_reads_them() -> None:
    config = a_config(gpu_memory_utilization=0.85, speculative_config={"method": "ngram", "num_speculative_tokens": 3})
    read = options(run_bash(render_serve_command(config), "vllm")[2:])
    assert read["gpu_memory_utilization"] == "0.85"
    assert read["speculative_config"] == '{"method":"ngram","num_speculative_tokens":3}'


def test_the_api_key_comes_from_the_named_variable_alone() -> None:
    script = render_serve_command(a_config(deployment={"api_key_env": "MY_KEY"}))
    seen = 'vllm() { printf "%s\\0" "$VLLM_API_KEY" "$@"; }'
    key, *arguments = run_bash(script, before=seen, MY_KEY="s e'cret")
    assert key == "s e'cret"
    assert not any("cret" in word for word in arguments)
    with pytest.raises(AssertionError, match="set it to the API key"):
        run_bash(script, "vllm")


@pytest.mark.parametrize(
    ("vendor", "variables"),
    [("nvidia", "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1,3"), ("amd", "HIP_VISIBLE_DEVICES=1,3")],
)
def test_chosen_gpus_are_the_only_visible_ones(vendor: str, variables: str) -> None:
    config = a_config(deployment={"gpu_vendor": vendor, "gpu_indices": (1, 3), "gpu_count": 2})
    assert render_serve_command(config).startswith(f"{variables} vllm serve ")


@pytest.mark.parametrize(("rank", "headless"), [("0", ""), ("1", "1")])
def test_each_machine_is_told_its_place(rank: str, headless: str) -> None:
    script = render_serve_command(on_two_nodes(a_config()))
    read = options(run_bash(script, "vllm", MASTER_ADDR="10.0.0.1", NODE_RANK=rank, HEADLESS=headless)[2:])
    assert read["nnodes"] == "2"
    assert read["node_rank"] == rank
    assert read["master_addr"] == "10.0.0.1"
    assert ("headless" in read) == bool(headless)


def test_replicas_of_one_machine_each_are_numbered_by_replica() -> None:
    config = a_config(data_parallel_size=4, tensor_parallel_size=4, deployment={"nodes": 2, "gpu_count": 8})
    words = run_bash(render_serve_command(config), "vllm", MASTER_ADDR="10.0.0.1", NODE_RANK="1", HEADLESS="1")
    read = options(words[2:])
    assert read["data_parallel_size_local"] == "2"
    assert read["data_parallel_start_rank"] == "2"
    assert read["data_parallel_address"] == "10.0.0.1"
    assert "nnodes" not in read
