"""`docker run` as bash passes it and as docker reads it."""

from __future__ import annotations

import csv
import io
import itertools
import shlex

import pytest
from hypothesis import given

from tests.render.readers import options, run_bash
from tests.render.samples import IMAGE, a_config, named, names, on_two_nodes
from wizard_tui.render import render_docker_command
from wizard_tui.schemas.outputs import VLLMConfig


def split(config: VLLMConfig, **environment: str) -> tuple[list[str], dict[str, str]]:
    """Docker's own words, and what follows the image as vLLM's options."""
    words = run_bash(render_docker_command(config), "docker", **environment)
    assert words[:2] == ["docker", "run"]
    at = words.index(IMAGE)
    assert words[at + 1] == "serve"
    return words[2:at], options(words[at + 2 :])


def values(words: list[str], flag: str) -> list[str]:
    return [value for word, value in itertools.pairwise(words) if word == flag]


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    _, read = split(config)
    for field in ("model", "served_model_name", "revision"):
        assert read[field] == getattr(config, field), field


@given(names)
def test_a_local_model_is_mounted_where_vllm_looks_for_it(name: str) -> None:
    path = f"/models/m{name.replace('/', '_')}"
    words, read = split(a_config(model=path, deployment={"model_is_local": True}))
    (mount,) = values(words, "--mount")
    ((kind, source, target, readonly),) = csv.reader(io.StringIO(mount, newline=""))
    assert (kind, target, readonly) == ("type=bind", f"target={read['model']}", "readonly")
    assert source == f"source={path}"
    assert read["served_model_name"] == path, "clients keep the name they know"
    assert values(words, "--env") == ["HF_HUB_OFFLINE=1"]


def test_a_snapshot_in_the_hub_cache_is_mounted_with_the_blobs_it_links_to() -> None:
    root = "/cache/models--Qwen--Qwen3-8B"
    words, read = split(a_config(model=f"{root}/snapshots/abc", deployment={"model_is_local": True}))
    assert values(words, "--mount") == [f"type=bind,source={root},target=/model,readonly"]
    assert read["model"] == "/model/snapshots/abc"


def test_a_chat_template_of_this_machine_is_mounted_and_one_of_the_image_is_not() -> None:
    words, read = split(a_config(chat_template="/etc/my template.jinja"))
    assert values(words, "--mount") == [
        f"type=bind,source=/etc/my template.jinja,target={read['chat_template']},readonly"
    ]
    words, read = split(a_config(chat_template="/vllm-workspace/examples/tool_chat_template_hermes.jinja"))
    assert not values(words, "--mount")
    assert read["chat_template"].startswith("/vllm-workspace/")


@pytest.mark.parametrize(
    ("host", "published"),
    [
        (None, "127.0.0.1:8000:8000"),
        ("127.0.0.1", "127.0.0.1:8000:8000"),
        ("localhost", "127.0.0.1:8000:8000"),
        ("0.0.0.0", "0.0.0.0:8000:8000"),
        ("::1", "[::1]:8000:8000"),
    ],
)
def test_only_the_published_address_restricts_who_reaches_it(host: str | None, published: str) -> None:
    words, read = split(a_config(host=host))
    assert values(words, "--publish") == [published]
    assert read["host"] == "0.0.0.0"


def test_the_container_has_what_vllm_needs() -> None:
    words, _ = split(a_config(), HF_HOME="/data/hf home")
    assert values(words, "--ipc") == ["host"]
    assert values(words, "--ulimit") == ["memlock=-1", "stack=67108864"]
    assert values(words, "--restart") == ["unless-stopped"]
    assert values(words, "--volume") == ["/data/hf home:/root/.cache/huggingface", "vllm-cache:/root/.cache/vllm"]
    assert values(words, "--env") == ["HF_TOKEN"], "passed on by name, never by value"
    assert values(words, "--entrypoint") == ["vllm"]


def test_the_health_check_is_a_command_that_asks_the_server() -> None:
    words, _ = split(a_config(port=9000, deployment={"download_bytes": 50_000_000_000}))
    program, option, code, url = shlex.split(values(words, "--health-cmd")[0])
    assert (program, option, url) == ("python3", "-c", "http://127.0.0.1:9000/health")
    compile(code, "health", "exec")
    assert values(words, "--health-start-period") == ["1900s"], "900 s to load, 1000 s to download 50 GB at 50 MB/s"


@pytest.mark.parametrize(("indices", "value"), [(None, "2"), ((0, 3), '"device=0,3"')])
def test_nvidia_gpus_are_counted_or_chosen(indices: tuple[int, ...] | None, value: str) -> None:
    words, _ = split(a_config(deployment={"gpu_count": 2, "gpu_indices": indices}))
    assert values(words, "--gpus") == [value]


def test_amd_gpus_are_devices() -> None:
    words, _ = split(a_config(deployment={"gpu_vendor": "amd", "gpu_indices": (1,)}))
    assert values(words, "--device") == ["/dev/kfd", "/dev/dri"]
    assert "HIP_VISIBLE_DEVICES=1" in values(words, "--env")
    assert "--gpus" not in words


def test_several_machines_share_the_network_of_the_machine_and_keep_the_bind() -> None:
    words, read = split(on_two_nodes(a_config()), MASTER_ADDR="10.0.0.1", NODE_RANK="0")
    assert values(words, "--network") == ["host"]
    assert not values(words, "--publish")
    assert read["host"] == "127.0.0.1"
    assert read["master_addr"] == "10.0.0.1"


@pytest.mark.parametrize("image", ["vllm latest", "$(id)", "-v", "a\nb", ""])
def test_a_text_that_is_not_an_image_is_refused(image: str) -> None:
    with pytest.raises(ValueError, match="is not an image"):
        render_docker_command(a_config(deployment={"image": image}))
