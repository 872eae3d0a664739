"""The script for a Ray cluster as bash runs it on each machine."""

from __future__ import annotations

from hypothesis import given

from tests.render.readers import options, run_bash
from tests.render.samples import a_config, named, on_two_nodes
from wizard_tui.render.ray import render_ray_start
from wizard_tui.schemas.outputs import VLLMConfig

QUIET_RAY = "ray() { :; }\nexport -f ray"


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    script = render_ray_start(on_two_nodes(config))
    read = options(run_bash(script, "vllm", before=QUIET_RAY, NODE_RANK="0", MASTER_ADDR="10.0.0.1")[2:])
    assert read["model"] == config.model
    assert read["served_model_name"] == config.served_model_name
    assert read["distributed_executor_backend"] == "ray"


def test_the_first_machine_starts_the_cluster_and_ends_it() -> None:
    words = run_bash(render_ray_start(on_two_nodes(a_config())), "ray", "vllm", NODE_RANK="0", MASTER_ADDR="10.0.0.1")
    assert words[:7] == ["ray", "start", "--head", "--node-ip-address", "10.0.0.1", "--port", "6379"]
    assert words[7:9] == ["vllm", "serve"]
    assert words[-2:] == ["ray", "stop"]


def test_the_others_join() -> None:
    # `exec` takes programs only
    programs = 'exec() { "$@"; exit; }'
    script = render_ray_start(on_two_nodes(a_config()))
    words = run_bash(script, "ray", "vllm", before=programs, NODE_RANK="1", MASTER_ADDR="10.0.0.1")
    assert words == ["ray", "start", "--address", "10.0.0.1:6379", "--block"]


def test_replicas_are_placed_by_ray_too() -> None:
    script = render_ray_start(a_config(data_parallel_size=4, deployment={"nodes": 2, "gpu_count": 2}))
    assert "--data-parallel-backend ray" in script
