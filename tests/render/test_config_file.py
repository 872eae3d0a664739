"""The file for `vllm serve --config`."""

from __future__ import annotations

import json

from hypothesis import given

from tests.render.readers import documents, options, run_bash
from tests.render.samples import a_config, named
from wizard_tui.render.config_file import render_config_file
from wizard_tui.schemas.outputs import VLLMConfig


def arguments(config: VLLMConfig) -> list[str]:
    """What vLLM makes of the file: `FlexibleArgumentParser.load_config_file`."""
    (document,) = documents(render_config_file(config))
    words = [document.pop("model")]
    for key, value in document.items():
        if isinstance(value, bool):
            words += [f"--{key}"] if value else []
        elif isinstance(value, dict):
            words += [f"--{key}", json.dumps(value)]
        else:
            words += [f"--{key}", str(value)]
    return words


@given(named)
def test_every_text_reaches_vllm_unchanged(config: VLLMConfig) -> None:
    assert options(arguments(config)) == {
        "model": config.model,
        "revision": config.revision,
        "served_model_name": config.served_model_name,
        "max_model_len": "4096",
        "host": "127.0.0.1",
        "chat_template": config.chat_template,
    }


def test_a_switched_off_option_is_a_negative_flag_as_vllm_ignores_false() -> None:
    (document,) = documents(render_config_file(a_config(enable_prefix_caching=False, enforce_eager=True)))
    assert document["disable-prefix-caching"] is True
    assert document["enforce-eager"] is True
    assert False not in document.values()


def test_the_first_line_is_the_command_with_the_flags_no_file_can_hold() -> None:
    config = a_config(deployment={"api_key_env": "MY_KEY", "gpu_indices": (1,)})
    command = render_config_file(config).splitlines()[0].removeprefix("# ")
    seen = 'vllm() { printf "%s\\0" "$CUDA_VISIBLE_DEVICES" "$VLLM_API_KEY" "$@"; }'
    assert run_bash(command, before=seen, MY_KEY="k") == ["1", "k", "serve", "--config", "vllm.yaml"]
