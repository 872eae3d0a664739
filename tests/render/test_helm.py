"""Values of the production-stack chart, as its template puts them into a pod."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from tests.render.readers import documents, kubernetes_words, options
from tests.render.samples import a_config, named
from wizard_tui.render.helm import render_helm_values
from wizard_tui.schemas.outputs import VLLMConfig


def values(config: VLLMConfig) -> dict[str, Any]:
    (document,) = documents(render_helm_values(config))
    spec: dict[str, Any] = document["servingEngineSpec"]
    return spec


def command(config: VLLMConfig) -> dict[str, str]:
    """What the chart runs: templates/deployment-vllm-multi.yaml, of which the last of two equal flags counts."""
    (model,) = values(config)["modelSpec"]
    own = model["vllmConfig"]
    words = [model["modelURL"], "--host", "0.0.0.0", "--port", "8000"]
    words += ["--enable-prefix-caching" if own["enablePrefixCaching"] else "--no-enable-prefix-caching"]
    words += ["--tensor-parallel-size", str(own["tensorParallelSize"]), *own["extraArgs"]]
    return options(kubernetes_words(words))


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    for field in ("model", "served_model_name", "revision", "chat_template"):
        assert command(config)[field] == getattr(config, field), field


def test_flags_that_the_chart_sets_itself_are_left_to_it() -> None:
    (model,) = values(a_config(tensor_parallel_size=4, port=9000, max_model_len=4096))["modelSpec"]
    assert model["vllmConfig"]["tensorParallelSize"] == 4
    assert model["vllmConfig"]["extraArgs"] == ["--max-model-len", "4096"]


def test_prefix_caching_is_switched_off_by_the_version_s_own_flag() -> None:
    """The chart's `--no-enable-prefix-caching` is unknown to vLLM 0.33."""
    read = command(a_config(enable_prefix_caching=False))
    assert "disable_prefix_caching" in read
    assert "no_enable_prefix_caching" not in read


def test_repository_and_tag_are_apart() -> None:
    (model,) = values(a_config(deployment={"image": "registry:5000/vllm/vllm-openai:v0.33.0"}))["modelSpec"]
    assert (model["repository"], model["tag"]) == ("registry:5000/vllm/vllm-openai", "v0.33.0")


def test_names_of_the_chart_s_objects_are_short_enough_for_kubernetes() -> None:
    """A pod's hostname is {release}-{name}-{chart}, a service {release}-{name}-engine-service; 63 is the limit."""
    (model,) = values(a_config(model="org/" + "very-long-name-" * 20))["modelSpec"]
    assert len(f"vllm-{model['name']}-engine-service") <= 63
    (model,) = values(a_config(model="org/1e3"))["modelSpec"]
    assert model["name"] == "vllm-1e3", "unquoted in the chart, so it must not look like a number"


def test_secrets_are_references_and_the_token_may_be_absent() -> None:
    spec = values(a_config(deployment={"api_key_env": "MY_KEY"}))
    assert spec["vllmApiKey"] == {"secretName": "vllm-qwen3-8b", "secretKey": "MY_KEY"}
    ((token,),) = (model["env"] for model in spec["modelSpec"])
    assert token["valueFrom"]["secretKeyRef"]["optional"] is True


def test_the_start_may_take_as_long_as_download_and_load() -> None:
    probe = values(a_config(deployment={"download_bytes": 50_000_000_000}))["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 1900
