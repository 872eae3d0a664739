"""What a client sends."""

from __future__ import annotations

import ast
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given

from tests.render.readers import run_bash
from tests.render.samples import a_config, named
from wizard_tui.render.client import base_url, render_curl_client, render_python_client
from wizard_tui.schemas.outputs import VLLMConfig


@given(named)
def test_curl_asks_for_the_served_name(config: VLLMConfig) -> None:
    words = run_bash(render_curl_client(config), "curl")
    assert json.loads(words[words.index("--data") + 1])["model"] == config.served_model_name
    assert "http://127.0.0.1:8000/v1/chat/completions" in words


@given(named)
def test_python_asks_for_the_served_name(config: VLLMConfig) -> None:
    text = render_python_client(config)
    assert text.isascii()
    passed = {
        word.arg: word.value
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call)
        for word in call.keywords
    }
    assert ast.literal_eval(passed["model"]) == config.served_model_name
    assert ast.literal_eval(passed["base_url"]) == "http://127.0.0.1:8000/v1"
    assert len([line for line in text.split("\n") if line.startswith("client = ")]) == 1


def test_without_a_served_name_clients_use_the_model_s() -> None:
    assert '"model": "Qwen/Qwen3-8B"' in render_curl_client(a_config())


def test_the_key_goes_to_curl_by_standard_input_where_no_process_list_shows_it() -> None:
    config = a_config(deployment={"api_key_env": "MY_KEY"})
    seen = 'curl() { printf "%s\\0" "$@"; cat; printf "\\0"; }'
    *arguments, header = run_bash(render_curl_client(config), before=seen, MY_KEY="s3cret")
    assert header == "Authorization: Bearer s3cret\n"
    assert arguments[-2:] == ["--header", "@-"]
    assert not any("s3cret" in word for word in arguments)
    assert "api_key=os.environ['MY_KEY']" in render_python_client(config)


@pytest.mark.parametrize("streaming", [True, False])
def test_clients_stream_as_planned(streaming: bool) -> None:
    config = a_config(deployment={"streaming": streaming})
    words = run_bash(render_curl_client(config), "curl")
    assert json.loads(words[words.index("--data") + 1])["stream"] is streaming
    assert ("--no-buffer" in words) is streaming


@pytest.mark.parametrize("streaming", [True, False])
def test_python_prints_the_answer_either_way(streaming: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Run with a package that answers as openai's client does: in pieces, the last of them without a choice."""

    class Client:
        def __init__(self, **_: Any) -> None:
            self.chat = self.completions = self

        def create(self, *, stream: bool, **_: Any) -> Any:
            assert stream is streaming
            if not stream:
                return answer(message=SimpleNamespace(content="Hello there"))
            pieces = [answer(delta=SimpleNamespace(content=word)) for word in ("Hello", " there", None)]
            return [*pieces, SimpleNamespace(choices=[])]

    def answer(**choice: Any) -> SimpleNamespace:
        return SimpleNamespace(choices=[SimpleNamespace(**choice)])

    text = render_python_client(a_config(deployment={"streaming": streaming}))
    exec(text.replace("from openai import OpenAI\n", ""), {"OpenAI": Client})  # noqa: S102
    assert capsys.readouterr().out == "Hello there\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://127.0.0.1:8000/v1"),
        ("0.0.0.0", "http://127.0.0.1:8000/v1"),
        ("::", "http://[::1]:8000/v1"),
        ("fe80::1", "http://[fe80::1]:8000/v1"),
        ("gpu1.example.org", "http://gpu1.example.org:8000/v1"),
    ],
)
def test_a_server_on_all_addresses_is_reached_at_that_of_this_machine(host: str | None, url: str) -> None:
    assert base_url(a_config(host=host)) == url
